import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as fc from 'fast-check';
import { TaskGroup, isHoldfastError, sleep, type TaskHandle, type WorkContext } from '../../src/index.ts';

/** How a task ends: by itself, with an error, only when aborted, later than its abort, or with an error of its own then. */
type Ending = 'returns' | 'throws' | 'until aborted' | 'ignores its abort' | 'fails to clean up';

interface Child {
  readonly afterMs: number;
  readonly ends: Ending;
  readonly timeoutMs: number | undefined;
  readonly children: readonly Child[];
}

const { child } = fc.letrec<{ child: Child }>((tie) => ({
  child: fc.record({
    afterMs: fc.integer({ min: 0, max: 20 }),
    ends: fc.constantFrom<Ending[]>(
      'returns',
      'throws',
      'until aborted',
      'ignores its abort',
      'fails to clean up',
    ),
    timeoutMs: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined, freq: 6 }),
    children: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constant([]),
      fc.array(tie('child'), { maxLength: 3 }),
    ),
  }),
}));

const scenario = fc.record({
  children: fc.array(child, { maxLength: 5 }),
  concurrency: fc.constantFrom(1, 2, Infinity),
  body: fc.constantFrom('returns', 'throws', 'awaits', 'cancels'),
  bodyMs: fc.integer({ min: 0, max: 25 }),
  abortAtMs: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined, freq: 3 }),
  timeoutMs: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined, freq: 3 }),
  cancelOne: fc.option(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.nat(5)), { nil: undefined, freq: 3 }),
});

describe('TaskGroup, whatever happens', { timeout: 60_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('outlives its tasks, keeps its limit, loses no error and leaks nothing', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        const controller = new AbortController();
        const added = vi.spyOn(controller.signal, 'addEventListener');
        const removed = vi.spyOn(controller.signal, 'removeEventListener');
        const handles: TaskHandle<unknown>[] = [];
        const failures: unknown[] = [];
        let running = 0;
        let peak = 0;
        let serial = 0;

        const fail = (what: string): never => {
          serial += 1;
          const error = new Error(`${what} ${serial}`);
          failures.push(error);
          throw error;
        };
        const start = (group: TaskGroup, one: Child): void => {
          try {
            const handle = group.spawn((ctx) => work(group, one, ctx), { timeoutMs: one.timeoutMs });
            handles.push(handle);
          } catch (error) {
            if (!isHoldfastError(error, 'GROUP_CLOSED')) throw error;
          }
        };
        const work = async (group: TaskGroup, one: Child, ctx: WorkContext): Promise<void> => {
          running += 1;
          peak = Math.max(peak, running);
          try {
            for (const grandchild of one.children) start(group, grandchild);
            await act(one, ctx);
          } finally {
            running -= 1;
          }
        };
        const act = async ({ afterMs, ends }: Child, { signal }: WorkContext): Promise<void> => {
          if (ends === 'ignores its abort') return sleep(afterMs + 30);
          const timedOut = (): boolean => isHoldfastError(signal.reason, 'TIMEOUT');
          try {
            await sleep(ends === 'until aborted' ? 200 : afterMs, { signal });
          } catch (reason) {
            // what fails after its own time-out is a late outcome that nobody is owed
            if (ends === 'fails to clean up' && !(timedOut() && !controller.signal.aborted)) fail('clean-up');
            throw reason;
          }
          if (ends === 'throws') fail('task');
        };

        const atTheEnd = (): { left: number; aborted: boolean; states: string[] } => ({
          left: running,
          aborted: controller.signal.aborted,
          states: handles.map(({ state }) => state),
        });
        const { concurrency, timeoutMs } = given;
        const outcome = TaskGroup.run(
          async (group) => {
            for (const one of given.children) start(group, one);
            if (given.cancelOne !== undefined) {
              const [atMs, which] = given.cancelOne;
              void sleep(atMs).then(() => handles[which]?.cancel('one'));
            }
            if (given.body === 'awaits') await handles[0];
            await sleep(given.bodyMs);
            if (given.body === 'throws') throw new Error('body');
            if (given.body === 'cancels') group.cancel();
            return 'value';
          },
          { concurrency, timeoutMs, signal: controller.signal },
        ).then(
          (value) => ({ value, error: undefined, ...atTheEnd() }),
          (error: unknown) => ({ value: undefined, error, ...atTheEnd() }),
        );
        const { abortAtMs } = given;
        if (abortAtMs !== undefined) setTimeout(() => controller.abort('left'), abortAtMs);
        await vi.advanceTimersByTimeAsync(5_000);
        const { value, error, left, aborted, states } = await outcome;

        expect(left).toBe(0);
        expect(states).not.toContain('running');
        expect(peak).toBeLessThanOrEqual(concurrency);
        expect(added.mock.calls.length).toBe(removed.mock.calls.length);
        expect(vi.getTimerCount()).toBe(0);
        if (error instanceof AggregateError) {
          expect(error.cause).toBe(error.errors[0]);
          expect(new Set(error.errors).size).toBe(error.errors.length);
          const ours = error.errors.filter((one) => failures.includes(one));
          expect(ours).toEqual(failures);
          for (const one of error.errors)
            expect(
              failures.includes(one) ||
                isHoldfastError(one, 'TIMEOUT') ||
                one === 'one' ||
                one.message === 'body',
            ).toBe(true);
        } else {
          expect(failures).toEqual([]);
          if (aborted) expect(error).toBeDefined();
          if (error === undefined)
            expect(value === 'value' || given.body === 'cancels' || given.body === 'awaits').toBe(true);
          else if (error === 'left') expect(aborted).toBe(true);
          else expect(error).toMatchObject({ code: 'TIMEOUT', kind: 'total', timeoutMs });
        }
      }),
      { numRuns: 400 },
    );
  });
});
