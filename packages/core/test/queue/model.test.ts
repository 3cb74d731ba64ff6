/**
 * A queue against a model of it in plain arrays: after every operation of a random history both agree on what is inside, who
 * waits, what was dropped, and what each call was answered.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedQueue, isHoldfastError, type Overflow } from '../../src/index.ts';
import { values } from './watch.ts';

type Operation =
  | {
      do:
        | 'put'
        | 'tryPut'
        | 'take'
        | 'tryTake'
        | 'close'
        | 'fail'
        | 'discard'
        | 'cancel'
        | 'putNow'
        | 'takeNow';
    }
  | { do: 'takeBatch'; max: number; patient: boolean }
  | { do: 'abort'; which: number };

const simple = <D extends string>(name: D): fc.Arbitrary<{ do: D }> => fc.constant({ do: name });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 120, arbitrary: simple('put') },
  { weight: 30, arbitrary: simple('tryPut') },
  { weight: 30, arbitrary: simple('putNow') },
  { weight: 90, arbitrary: simple('take') },
  { weight: 30, arbitrary: simple('tryTake') },
  { weight: 20, arbitrary: simple('takeNow') },
  {
    weight: 40,
    arbitrary: fc.record({
      do: fc.constant('takeBatch' as const),
      max: fc.integer({ min: 1, max: 5 }),
      patient: fc.boolean(),
    }),
  },
  { weight: 80, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat(40) }) },
  { weight: 10, arbitrary: simple('discard') },
  { weight: 2, arbitrary: simple('close') },
  { weight: 1, arbitrary: simple('fail') },
  { weight: 1, arbitrary: simple('cancel') },
);

const FAILURE = new Error('broken');
const CANCELLED = new Error('enough');

interface ModelTaker {
  readonly id: number;
  readonly max: number | undefined;
  readonly wants: number;
}

class Model {
  items: number[] = [];
  putters: { readonly id: number; readonly value: number }[] = [];
  takers: ModelTaker[] = [];
  dropped: number[] = [];
  ended: unknown;
  readonly answers = new Map<number, unknown>();

  constructor(
    readonly capacity: number,
    readonly overflow: Overflow,
  ) {}

  put(id: number, value: number, now = false): unknown {
    if (this.ended !== undefined) return this.answer(id, this.ended);
    const room = this.items.length < this.capacity || this.takers.length > 0;
    if (!room && this.overflow === 'drop-oldest' && this.capacity > 0)
      this.dropped.push(this.items.shift() ?? -1);
    else if (!room && this.overflow.startsWith('drop')) {
      this.dropped.push(value);
      return this.answer(id, 'put');
    } else if (!room) {
      if (now || this.overflow === 'reject') return this.answer(id, 'QUEUE_FULL');
      this.putters.push({ id, value });
      return undefined;
    }
    this.answer(id, 'put');
    this.items.push(value);
    return this.run();
  }

  take(taker: ModelTaker, now = false): void {
    const available = this.items.length + this.putters.length;
    if (
      now &&
      (this.takers.length > 0 || available === 0) &&
      !(this.ended !== undefined && available === 0)
    ) {
      this.answer(taker.id, taker.max === undefined ? 'TIMEOUT' : []);
      return;
    }
    this.takers.push(now ? { ...taker, wants: 1 } : taker);
    this.run();
  }

  abort(id: number): void {
    const waits = (one: { readonly id: number }): boolean => one.id === id;
    if (![...this.putters, ...this.takers].some(waits)) return;
    this.putters = this.putters.filter((one) => !waits(one));
    this.takers = this.takers.filter((one) => !waits(one));
    this.answer(id, 'aborted');
    this.run();
  }

  end(error: unknown): void {
    if (this.ended !== undefined) return;
    this.ended = error;
    for (const { id } of this.putters.splice(0)) this.answer(id, error);
    this.run();
  }

  cancel(): void {
    for (const { id } of [...this.putters.splice(0), ...this.takers.splice(0)]) this.answer(id, CANCELLED);
    this.items = [];
    this.ended ??= 'QUEUE_CLOSED';
  }

  discard(): number[] {
    const discarded = this.items.splice(0);
    this.run();
    return discarded;
  }

  run(): void {
    for (;;) {
      this.admit();
      const [taker] = this.takers;
      const available = this.items.length + this.putters.length;
      if (taker === undefined) return;
      if (available === 0 && this.ended !== undefined) {
        for (const { id } of this.takers.splice(0)) this.answer(id, this.ended);
        return;
      }
      if (available === 0 || (available < taker.wants && this.ended === undefined)) return;
      this.takers.shift();
      const got: number[] = [];
      while (got.length < (taker.max ?? 1)) {
        if (this.items.length === 0 && this.putters.length > 0) this.meet();
        const item = this.items.shift();
        if (item === undefined) break;
        got.push(item);
        this.admit();
      }
      this.answer(taker.id, taker.max === undefined ? got[0] : got);
    }
  }

  private admit(): void {
    while (this.putters.length > 0 && this.items.length < this.capacity) this.meet();
  }

  private meet(): void {
    const putter = this.putters.shift();
    if (putter === undefined) return;
    this.answer(putter.id, 'put');
    this.items.push(putter.value);
  }

  private answer(id: number, what: unknown): void {
    this.answers.set(id, what);
  }
}

const ascending = (a: number, b: number): number => a - b;

/** What a call was answered, in the words of the model. */
const worded = (error: unknown): unknown => (isHoldfastError(error) ? error.code : error);

describe('BoundedQueue against its model', () => {
  const scenario = fc.record({
    capacity: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constant(Infinity)),
    overflow: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Overflow>('wait') },
      { weight: 1, arbitrary: fc.constantFrom<Overflow>('reject', 'drop-newest', 'drop-oldest') },
    ),
    operations: fc.array(operation, { maxLength: 120 }),
  });

  it('agrees on everything after every operation of any history', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ capacity, overflow, operations }) => {
        const dropped: number[] = [];
        const queue = new BoundedQueue<number>({
          capacity,
          overflow,
          onDrop: (value) => dropped.push(value),
        });
        const model = new Model(capacity, overflow);
        const answers = new Map<number, unknown>();
        const controllers: AbortController[] = [];
        const admitted: number[] = [];
        const gone: number[] = [];

        for (const [id, step] of operations.entries()) {
          const controller = new AbortController();
          controllers.push(controller);
          const { signal } = controller;
          const track = (call: Promise<unknown>, word: (value: unknown) => unknown): void => {
            call.then(
              (value) => answers.set(id, word(value)),
              (error: unknown) => answers.set(id, worded(error)),
            );
          };
          switch (step.do) {
            case 'put':
              track(queue.put(id, { signal }), () => 'put');
              model.put(id, id);
              break;
            case 'putNow':
              track(queue.put(id, { signal, maxWaitMs: 0 }), () => 'put');
              model.put(id, id, true);
              break;
            case 'tryPut': {
              const before = model.dropped.length;
              const result = queue.tryPut(id);
              model.put(id, id, true);
              const lost = model.dropped.slice(before).includes(id);
              expect(result).toBe(model.answers.get(id) === 'put' && !lost);
              model.answers.delete(id);
              if (result) admitted.push(id);
              break;
            }
            case 'take':
              track(queue.take({ signal }), (value) => (value as { value: number }).value);
              model.take({ id, max: undefined, wants: 1 });
              break;
            case 'takeNow':
              track(queue.take({ signal, maxWaitMs: 0 }), (value) => (value as { value: number }).value);
              model.take({ id, max: undefined, wants: 1 }, true);
              break;
            case 'tryTake': {
              const item = queue.tryTake()?.value;
              const free = model.takers.length === 0 && model.items.length + model.putters.length > 0;
              if (free) model.take({ id, max: undefined, wants: 1 });
              expect(item).toBe(free ? model.answers.get(id) : undefined);
              model.answers.delete(id);
              if (item !== undefined) gone.push(item);
              break;
            }
            case 'takeBatch': {
              const { max } = step;
              const least = step.patient ? Math.min(max, Math.max(1, capacity)) : 1;
              const options = step.patient ? { max, signal, maxWaitMs: Infinity } : { max, signal };
              track(queue.takeBatch(options), (value) => values(value as { value: number }[] as never));
              model.take({ id, max, wants: least });
              break;
            }
            case 'abort':
              controllers[step.which]?.abort('aborted');
              model.abort(step.which);
              break;
            case 'discard':
              expect(queue.discard()).toEqual(model.items.slice());
              gone.push(...model.discard());
              break;
            case 'close':
              queue.close();
              model.end('QUEUE_CLOSED');
              break;
            case 'fail':
              queue.fail(FAILURE);
              model.end(FAILURE);
              break;
            case 'cancel':
              gone.push(...model.items);
              queue.cancel(CANCELLED);
              model.cancel();
              break;
          }
          const { waitingPutters, waitingTakers } = queue.stats();
          expect({ size: queue.size, waitingPutters, waitingTakers, closed: queue.closed, dropped }).toEqual({
            size: model.items.length,
            waitingPutters: model.putters.length,
            waitingTakers: model.takers.length,
            closed: model.ended !== undefined,
            dropped: model.dropped,
          });
          expect(queue.size).toBeLessThanOrEqual(capacity);
          if (id % 3 === 0) await Promise.resolve();
        }

        queue.close();
        model.end('QUEUE_CLOSED');
        const rest = queue.discard();
        expect(rest).toEqual(model.discard());
        await new Promise((resolve) => setImmediate(resolve));
        // after a close everything that waited has its answer
        expect(answers).toEqual(model.answers);
        // and every item that came in went out once: to a taker, to onDrop, or back to the owner
        for (const [id, answer] of answers) if (answer === 'put') admitted.push(id);
        const delivered = [...answers]
          .filter(([id]) => ['take', 'takeNow', 'takeBatch'].includes(operations[id]?.do ?? ''))
          .flatMap(([, answer]) => answer)
          .filter((answer) => typeof answer === 'number');
        const out = [...delivered, ...gone, ...rest, ...dropped];
        const came = [...admitted, ...dropped.filter((id) => !admitted.includes(id))];
        expect(out.toSorted(ascending)).toEqual(came.toSorted(ascending));
      }),
      { numRuns: 400 },
    );
  });

  it('hands every item of any history of loops to a handler once, in order where one runs at a time', async () => {
    const history = fc.record({
      capacity: fc.integer({ min: 0, max: 5 }),
      concurrency: fc.integer({ min: 1, max: 4 }),
      producers: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 4 }),
      handlers: fc.array(fc.constantFrom('sync', 'microtask', 'turn', 'throw', 'reject'), {
        minLength: 1,
        maxLength: 8,
      }),
      disturb: fc.array(fc.constantFrom('pause', 'resume', 'more', 'less', 'stop', 'nothing'), {
        maxLength: 12,
      }),
    });
    await fc.assert(
      fc.asyncProperty(history, async ({ capacity, concurrency, producers, handlers, disturb }) => {
        const queue = new BoundedQueue<string>({ capacity });
        const seen: string[] = [];
        let running = 0;
        let most = 0;
        let limit = concurrency;
        const consume = (): ReturnType<typeof queue.consume> =>
          queue.consume(
            async (value) => {
              running += 1;
              most = Math.max(most, running);
              expect(running).toBeLessThanOrEqual(8);
              seen.push(value);
              const kind = handlers[seen.length % handlers.length];
              try {
                if (kind === 'microtask') await Promise.resolve();
                if (kind === 'turn') await new Promise((resolve) => setImmediate(resolve));
                if (kind === 'throw' || kind === 'reject') throw new Error('no');
              } finally {
                running -= 1;
              }
            },
            { concurrency, onError: () => {} },
          );
        let loop = consume();
        const sources = producers.map((count, source) =>
          queue.produce(Array.from({ length: count }, (_, item) => `${source}:${item}`)),
        );
        for (const what of disturb) {
          if (what === 'pause' || what === 'resume') loop[what]();
          if (what === 'more') loop.setConcurrency((limit = Math.min(4, limit + 1)));
          if (what === 'less') loop.setConcurrency((limit = Math.max(1, limit - 1)));
          if (what === 'stop') {
            void loop.stop();
            loop = consume();
            limit = concurrency;
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        loop.resume();
        await Promise.all(sources.map(({ done }) => done));
        expect(await queue.drain()).toEqual({ drained: true, left: 0, leaked: [] });
        queue.close();
        await loop.done;
        const expected = producers.flatMap((count, source) =>
          Array.from({ length: count }, (_, item) => `${source}:${item}`),
        );
        expect(seen.toSorted()).toEqual(expected.toSorted());
        for (const [source, count] of producers.entries()) {
          const own = seen.filter((value) => value.startsWith(`${source}:`));
          expect(own).toEqual(Array.from({ length: count }, (_, item) => `${source}:${item}`));
        }
        if (!disturb.includes('more') && !disturb.includes('stop'))
          expect(most).toBeLessThanOrEqual(concurrency);
      }),
      { numRuns: 150 },
    );
  });
});
