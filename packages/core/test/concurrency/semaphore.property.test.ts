import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as fc from 'fast-check';
import { Bulkhead, Semaphore } from '../../src/index.ts';
import { Execution, executionOf } from '../../src/signal/execution.ts';

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('execute' as const),
      gives: fc.constantFrom('ok', 'throws', 'abandons'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      maxWaitMs: fc.constantFrom(5, 50, Infinity),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tryAcquire' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(10) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('setLimit' as const), limit: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 5, 20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const) }) },
);
/** A step, and how many microtasks come before the next one. */
const program = fc.array(fc.tuple(step, fc.nat(8)), { maxLength: 80 });

/** What happened to a semaphore, checked as it happens. */
class Witness {
  readonly outcomes: Promise<unknown>[] = [];
  readonly finishers: (() => void)[] = [];
  readonly controllers: AbortController[] = [];
  readonly violations: string[] = [];
  listeners = 0;
  settled = 0;
  running = 0;
  #arrivals = 0;
  #lastCall = 0;
  #lastPermit = 0;
  readonly #semaphore: Semaphore;

  constructor(semaphore: Semaphore) {
    this.#semaphore = semaphore;
  }

  arrive(): { readonly id: number; readonly signal: AbortSignal } {
    const controller = new AbortController();
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      this.listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      this.listeners -= 1;
      remove(...args);
    };
    this.controllers.push(controller);
    this.#arrivals += 1;
    return { id: this.#arrivals, signal };
  }

  /** Called when a call has its slot, in that very moment. */
  startCall(id: number): void {
    this.#start(id, this.#lastCall);
    this.#lastCall = id;
    const { inUse, maxConcurrent } = this.#semaphore;
    if (inUse > maxConcurrent)
      this.violations.push(`call ${id} runs beyond the limit: ${inUse} of ${maxConcurrent}`);
  }

  /** Called when a caller learns that it has its permit. */
  startPermit(id: number): void {
    this.#start(id, this.#lastPermit);
    this.#lastPermit = id;
  }

  #start(id: number, last: number): void {
    this.running += 1;
    const { inUse, waiting } = this.#semaphore;
    if (id < last) this.violations.push(`${id} came before ${last}, and got its slot later`);
    if (waiting > this.#arrivals - id)
      this.violations.push(`${id} got a slot while somebody waits who came earlier`);
    if (this.running > inUse) this.violations.push(`${this.running} run, and ${inUse} slots are taken`);
  }

  track(outcome: Promise<unknown>): void {
    const settle = (): void => {
      this.settled += 1;
    };
    this.outcomes.push(outcome.then(settle, settle));
  }
}

function run(
  semaphore: Semaphore,
  witness: Witness,
  one: typeof step extends fc.Arbitrary<infer S> ? S : never,
): void {
  if (one.do === 'execute') {
    const { id, signal } = witness.arrive();
    const work = async (ctx: object): Promise<void> => {
      witness.startCall(id);
      const finished = new Promise<void>((resolve) => witness.finishers.push(resolve));
      if (one.gives === 'abandons') {
        // the call is over at once, and its work goes on
        const still = finished.then(() => void (witness.running -= 1));
        new Execution(executionOf(ctx)).abandon(still);
        return;
      }
      await finished;
      witness.running -= 1;
      if (one.gives === 'throws') throw new Error('work');
    };
    witness.track(semaphore.execute(work, { signal }));
  } else if (one.do === 'acquire') {
    const { id, signal } = witness.arrive();
    const hold = (permit: Disposable): void => {
      witness.startPermit(id);
      witness.finishers.push(() => {
        witness.running -= 1;
        permit[Symbol.dispose]();
        permit[Symbol.dispose]();
      });
    };
    witness.track(semaphore.acquire({ signal, maxWaitMs: one.maxWaitMs }).then(hold));
  } else if (one.do === 'tryAcquire') {
    const waiting = semaphore.waiting;
    const permit = semaphore.tryAcquire();
    if (permit === undefined) return;
    expect(waiting).toBe(0);
    witness.running += 1;
    witness.finishers.push(() => {
      witness.running -= 1;
      permit[Symbol.dispose]();
    });
  } else if (one.do === 'finish')
    witness.finishers.splice(one.which % (witness.finishers.length + 1), 1)[0]?.();
  else if (one.do === 'abort') witness.controllers[one.which]?.abort('left');
  else if (one.do === 'setLimit') semaphore.setLimit(one.limit);
  else if (one.do === 'cancel') semaphore.cancel('cancelled');
}

describe('Semaphore, whatever happens', { timeout: 60_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const semaphores = [
    ['a semaphore', () => new Semaphore({ maxConcurrent: 2 })],
    ['a bulkhead', () => new Bulkhead({ maxConcurrent: 2, maxQueue: 4, maxWaitMs: 30 })],
  ] as const;

  it.each(semaphores)(
    '%s starts in order, keeps its limit, forgets nobody and leaks nothing',
    async (_, make) => {
      await fc.assert(
        fc.asyncProperty(program, async (steps) => {
          const semaphore = make();
          const witness = new Witness(semaphore);
          for (const [one, microtasks] of steps) {
            if (one.do === 'pass') await vi.advanceTimersByTimeAsync(one.ms);
            else run(semaphore, witness, one);
            for (let tick = 0; tick < microtasks; tick += 1) await Promise.resolve();
          }
          await vi.advanceTimersByTimeAsync(0);
          expect(witness.violations).toEqual([]);
          expect(semaphore.inUse).toBe(witness.running);
          if (semaphore.waiting > 0) expect(semaphore.inUse).toBeGreaterThanOrEqual(semaphore.maxConcurrent);

          // once closed, everything settles as what runs ends
          semaphore.close();
          const drained = semaphore.drain();
          for (let turn = 0; turn < 1_000 && semaphore.inUse > 0; turn += 1) {
            witness.finishers.shift()?.();
            await vi.advanceTimersByTimeAsync(0);
          }
          expect(await drained).toMatchObject({ drained: true, left: 0 });
          await Promise.all(witness.outcomes);
          expect(witness.violations).toEqual([]);
          expect(witness.settled).toBe(witness.outcomes.length);
          expect(semaphore).toMatchObject({ inUse: 0, waiting: 0 });
          expect(semaphore.stats()).toMatchObject({ zombies: 0 });
          expect(witness.listeners).toBe(0);
          expect(vi.getTimerCount()).toBe(0);
        }),
        { numRuns: 500 },
      );
    },
  );
});
