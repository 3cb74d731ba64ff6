import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { QueueFullError } from '../../src/errors/queue-errors.ts';
import { Admission, type AdmissionOptions } from '../../src/jobs/admission.ts';

/** A queue that holds so many, asked synchronously. */
class Store {
  depth = 0;
  readonly asked: string[] = [];
  readonly capacity: number;
  constructor(capacity: number) {
    this.capacity = capacity;
  }
  ask(name: string, count = 1): () => Promise<string> {
    return async () => {
      this.asked.push(name);
      if (this.depth + count > this.capacity) throw new QueueFullError('q', this.capacity);
      this.depth += count;
      return name;
    };
  }
}

function make(
  capacity: number,
  options: Partial<AdmissionOptions> = {},
): { store: Store; admission: Admission } {
  const admission = new Admission({
    queue: 'q',
    maxDepth: capacity,
    maxPending: Infinity,
    overflow: 'wait',
    pollMs: 0,
    settled() {},
    ...options,
  });
  return { store: new Store(capacity), admission };
}

const WAIT = { maxWaitMs: Infinity };

/** Enters, and notes its name once it is in. */
async function note(admitted: string[], entering: Promise<string>): Promise<void> {
  admitted.push(await entering);
}

async function turns(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await Promise.resolve();
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('Admission', () => {
  it('asks in the call itself while there is room', () => {
    const { store, admission } = make(1);
    void admission.enter(1, WAIT, store.ask('a'));
    expect(store.asked).toEqual(['a']);
  });

  it('admits those who wait in the order in which they called', async () => {
    const { store, admission } = make(1);
    const admitted: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) void note(admitted, admission.enter(1, WAIT, store.ask(name)));
    await turns();
    expect(admitted).toEqual(['a']);
    for (let n = 0; n < 3; n += 1) {
      store.depth -= 1;
      admission.leave(1);
      await turns();
    }
    expect(admitted).toEqual(['a', 'b', 'c', 'd']);
    expect(admission.pending).toBe(0);
  });

  it('keeps that order for calls made while an earlier one is being refused', async () => {
    const { store, admission } = make(1);
    store.depth = 1;
    const admitted: string[] = [];
    const enter = (name: string): void => {
      void note(admitted, admission.enter(1, WAIT, store.ask(name)));
    };
    enter('a');
    enter('b');
    for (const name of ['c', 'd', 'e', 'f', 'g']) {
      await Promise.resolve();
      enter(name);
    }
    await turns();
    for (let n = 0; n < 7; n += 1) {
      store.depth = 0;
      admission.leave(1);
      await turns();
    }
    expect(admitted).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  });

  it('lets only the first in line ask', async () => {
    const { store, admission } = make(1);
    store.depth = 1;
    const names = ['a', 'b', 'c'];
    const calls = names.map((name) => admission.enter(1, WAIT, store.ask(name)));
    await turns();
    store.asked.length = 0;
    admission.wake();
    await turns();
    expect(store.asked).toEqual(['a']);
    for (const _ of names) {
      store.depth = 0;
      admission.wake();
      await turns();
    }
    await Promise.all(calls);
  });

  it('asks again when room was made while it was being refused', async () => {
    const { store, admission } = make(1);
    store.depth = 1;
    const call = admission.enter(1, WAIT, store.ask('a'));
    store.depth = 0;
    admission.leave(1);
    expect(await call).toBe('a');
  });

  it('does not let a small batch overtake a large one', async () => {
    const { store, admission } = make(10);
    store.depth = 9;
    const admitted: string[] = [];
    void note(admitted, admission.enter(5, WAIT, store.ask('large', 5)));
    await turns();
    void note(admitted, admission.enter(1, WAIT, store.ask('small')));
    await turns();
    expect(admitted).toEqual([]);
    store.depth = 5;
    admission.wake();
    await turns();
    expect(admitted).toEqual(['large']);
    store.depth = 0;
    admission.wake();
    await turns();
    expect(admitted).toEqual(['large', 'small']);
  });

  it('lets the next one try when the first leaves the line', async () => {
    const { store, admission } = make(10);
    store.depth = 9;
    const controller = new AbortController();
    const large = admission.enter(5, { ...WAIT, signal: controller.signal }, store.ask('large', 5));
    await turns();
    const small = admission.enter(1, WAIT, store.ask('small'));
    await turns();
    controller.abort('left');
    await expect(large).rejects.toBe('left');
    expect(await small).toBe('small');
  });

  it('refuses at once with overflow reject, and with no wait', async () => {
    const { store, admission } = make(1, { overflow: 'reject' });
    store.depth = 1;
    await expect(admission.enter(1, WAIT, store.ask('a'))).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      capacity: 1,
    });
    const waiting = make(1);
    waiting.store.depth = 1;
    await expect(waiting.admission.enter(1, { maxWaitMs: 0 }, waiting.store.ask('a'))).rejects.toMatchObject({
      code: 'QUEUE_FULL',
    });
    expect(waiting.store.asked).toEqual(['a']);
  });

  it('does not even ask for one who will not wait while others do', async () => {
    const { store, admission } = make(1);
    store.depth = 1;
    const first = admission.enter(1, WAIT, store.ask('a'));
    await turns();
    await expect(admission.enter(1, { maxWaitMs: 0 }, store.ask('b'))).rejects.toMatchObject({
      code: 'QUEUE_FULL',
    });
    expect(store.asked).toEqual(['a']);
    store.depth = 0;
    admission.wake();
    await first;
  });

  it('counts the wait over all refusals together', async () => {
    const { store, admission } = make(1);
    store.depth = 1;
    const call = admission.enter(1, { maxWaitMs: 100 }, store.ask('a'));
    const seen = vi.fn<(error: unknown) => void>();
    call.catch(seen);
    for (let n = 0; n < 9; n += 1) {
      await vi.advanceTimersByTimeAsync(10);
      admission.wake();
    }
    await vi.advanceTimersByTimeAsync(9);
    expect(seen).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toHaveBeenCalledOnce();
  });

  it('bounds how many jobs wait or are being handed over', async () => {
    const { store, admission } = make(1, { maxPending: 2 });
    store.depth = 1;
    const calls = [admission.enter(1, WAIT, store.ask('a')), admission.enter(1, WAIT, store.ask('b'))];
    await expect(admission.enter(1, WAIT, store.ask('c'))).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    admission.end('closed');
    expect(await Promise.allSettled(calls)).toEqual([
      { status: 'rejected', reason: 'closed' },
      { status: 'rejected', reason: 'closed' },
    ]);
    expect(admission.pending).toBe(0);
  });

  it('hands any other error of the engine to its caller, and goes on', async () => {
    const { store, admission } = make(1);
    store.depth = 1;
    const first = admission.enter(1, WAIT, store.ask('a'));
    let down = false;
    const second = admission.enter(1, WAIT, async () => {
      if (down) throw new Error('down');
      throw new QueueFullError('q', 1);
    });
    await turns();
    down = true;
    store.depth = 0;
    admission.wake();
    expect(await first).toBe('a');
    await expect(second).rejects.toThrow('down');
  });

  it('looks for room that others made as long as somebody waits', async () => {
    const { store, admission } = make(1, { pollMs: 100 });
    store.depth = 1;
    const call = admission.enter(1, WAIT, store.ask('a'));
    await vi.advanceTimersByTimeAsync(250);
    expect(store.asked).toHaveLength(3);
    store.depth = 0;
    await vi.advanceTimersByTimeAsync(50);
    expect(await call).toBe('a');
  });

  it('guesses when there will be room from the pace at which jobs finish', async () => {
    const { store, admission } = make(1);
    store.depth = 1;
    const refusal = async (): Promise<unknown> =>
      admission.enter(1, { maxWaitMs: 0 }, store.ask('a')).catch((error: unknown) => error);
    expect(await refusal()).toMatchObject({ retryAfterMs: 1_000 });
    for (let n = 0; n < 50; n += 1) {
      vi.advanceTimersByTime(400);
      admission.leave(1);
    }
    expect(await refusal()).toMatchObject({ retryAfterMs: 400 });
    vi.advanceTimersByTime(3_600_000);
    for (let n = 0; n < 50; n += 1) admission.leave(1);
    expect(await refusal()).toMatchObject({ retryAfterMs: 100 });
  });

  it('holds no listener after ten thousand calls on one signal', async () => {
    const { store, admission } = make(1);
    store.depth = 1;
    const controller = new AbortController();
    const added = vi.spyOn(controller.signal, 'addEventListener');
    const removed = vi.spyOn(controller.signal, 'removeEventListener');
    const calls = Array.from({ length: 10_000 }, () =>
      admission
        .enter(1, { ...WAIT, signal: controller.signal }, store.ask('a'))
        .catch((reason: unknown) => reason),
    );
    await turns();
    expect(admission.waiting).toBe(10_000);
    controller.abort('all');
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['all']));
    expect(admission.pending).toBe(0);
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });

  const step = fc.oneof(
    fc.record({ do: fc.constant('enter' as const), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ do: fc.constant('finish' as const), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ do: fc.constant('abort' as const), who: fc.nat(30) }),
    fc.record({ do: fc.constant('turn' as const), count: fc.integer({ min: 1, max: 6 }) }),
  );

  it.each([
    ['serves the line in order', true],
    ['answers everybody once and keeps the bound, also for calls made in one instant', false],
  ])('%s, whatever comes in between', async (_name, oneByOne) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { store, admission } = make(4);
        const admitted: number[] = [];
        const left = new Set<number>();
        const controllers: AbortController[] = [];
        const calls: Promise<void>[] = [];
        for (const one of steps) {
          if (one.do === 'enter') {
            const id = controllers.length;
            const controller = new AbortController();
            controllers.push(controller);
            calls.push(
              admission
                .enter(one.count, { ...WAIT, signal: controller.signal }, store.ask('x', one.count))
                .then(
                  () => void admitted.push(id),
                  () => void left.add(id),
                ),
            );
            if (oneByOne) await turns();
          } else if (one.do === 'finish') {
            store.depth = Math.max(0, store.depth - one.count);
            admission.leave(one.count);
          } else if (one.do === 'abort') controllers[one.who]?.abort();
          else for (let n = 0; n < one.count; n += 1) await Promise.resolve();
          expect(store.depth).toBeLessThanOrEqual(4);
        }
        while (admission.pending > 0) {
          store.depth = 0;
          admission.leave(1);
          await turns();
        }
        await Promise.all(calls);
        if (oneByOne) expect(admitted).toEqual([...admitted].toSorted((a, b) => a - b));
        expect(admitted.length + left.size).toBe(controllers.length);
        expect(admission.waiting).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
