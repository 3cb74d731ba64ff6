/** Random programs against a model: nothing is lost, nothing runs twice at once, attempts and depth are right, all of it settles. */
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CircuitOpenError } from '../../src/errors/circuit-open-error.ts';
import { NoRetryError } from '../../src/errors/retry-errors.ts';
import { subscribe } from '../../src/events/bus.ts';
import type { QueueLoop } from '../../src/index.ts';
import type { JobDriver, JobEngine } from '../../src/jobs/engine.ts';
import type { JobContext } from '../../src/jobs/job-context.ts';
import { JobQueue } from '../../src/jobs/job-queue.ts';
import { memory } from '../../src/jobs/memory-engine.ts';
import { sleep } from '../../src/signal/sleep.ts';

const MAX_DEPTH = 5;
const BACKOFF_MS = 40;
const REFUSED_MS = 30;
const WORK_MS = 25;

type Act = 'ok' | 'throw' | 'slow' | 'slow-throw' | 'refuse' | 'bury';

interface Payload {
  readonly key: number;
  readonly acts: readonly Act[];
}

/** What the model knows of one job that was handed in. */
interface Known {
  readonly acts: readonly Act[];
  readonly maxRetries: number;
  accepted: boolean;
  unknown: boolean;
  answered: boolean;
  running: boolean;
  starts: number;
  spent: number;
  ended: 'done' | 'dead' | undefined;
}

/** Memory, watched: the depth is checked at the only moment at which it grows. */
class WatchedEngine implements JobEngine {
  readonly schemes = ['watched:'];
  deepest = 0;
  connect(url: URL): JobDriver {
    const driver = memory.connect(url);
    const ask = driver.enqueue.bind(driver);
    return Object.assign(driver, {
      enqueue: (...args: Parameters<JobDriver['enqueue']>) => {
        const answer = ask(...args);
        this.deepest = Math.max(this.deepest, driver.depth?.('q') ?? 0);
        return answer;
      },
    });
  }
}

class World {
  readonly engine = new WatchedEngine();
  readonly queue = new JobQueue<Payload>({
    name: 'q',
    url: 'watched:',
    engines: [this.engine],
    maxDepth: MAX_DEPTH,
    retry: { baseDelayMs: BACKOFF_MS, jitter: 'none', factor: 1 },
  });
  readonly violations: string[] = [];
  readonly jobs: Known[] = [];
  readonly calls: Promise<void>[] = [];
  readonly controllers: AbortController[] = [];
  readonly loops: {
    readonly loop: QueueLoop;
    readonly concurrency: number;
    readonly work: { running: number };
  }[] = [];

  enqueue(
    acts: readonly Act[],
    options: { delayMs: number; maxRetries: number; id: string | undefined; waits: boolean },
  ): void {
    const key = this.jobs.length;
    const { maxRetries, delayMs, id, waits } = options;
    const known: Known = {
      acts,
      maxRetries,
      accepted: false,
      unknown: false,
      answered: false,
      running: false,
      starts: 0,
      spent: 0,
      ended: undefined,
    };
    this.jobs.push(known);
    const controller = new AbortController();
    this.controllers.push(controller);
    const call = this.queue.enqueue(
      { key, acts },
      { maxRetries, delayMs, id, maxWaitMs: waits ? 5_000 : 0, signal: controller.signal },
    );
    this.calls.push(this.#answer(known, call));
  }

  async #answer(known: Known, call: Promise<{ status: string }>): Promise<void> {
    try {
      known.accepted = (await call).status === 'enqueued';
    } catch (error) {
      // an abort may come after the engine was asked, and leaves the outcome open
      known.unknown = error instanceof DOMException;
    }
    known.answered = true;
  }

  /** An error thrown in a handler would only be one more failed attempt. */
  #demand(holds: boolean, violation: string): void {
    if (!holds) this.violations.push(violation);
  }

  consume(concurrency: number): void {
    const work = { running: 0 };
    const loop = this.queue.consume(
      async (payload, ctx) => {
        work.running += 1;
        this.#demand(work.running <= concurrency, 'more handlers than slots');
        try {
          await this.#work(payload, ctx);
        } finally {
          work.running -= 1;
        }
      },
      { concurrency },
    );
    this.loops.push({ loop, concurrency, work });
  }

  async #work({ key }: Payload, ctx: JobContext): Promise<void> {
    const known = this.jobs[key];
    if (known === undefined) throw new Error('a job that nobody enqueued');
    this.#demand(known.ended === undefined, 'started again after its end');
    this.#demand(!known.running, 'two starts at once');
    this.#demand(ctx.attempt === known.spent + 1, 'attempts are wrong');
    // a delivery that was given back unstarted counts as one
    this.#demand(ctx.redelivered || known.starts === 0, 'a second start that says it is the first');
    this.#demand(ctx.maxRetries === known.maxRetries, 'retries are wrong');
    const act = known.acts[known.starts] ?? 'ok';
    known.starts += 1;
    known.running = true;
    try {
      if (act === 'slow' || act === 'slow-throw') await sleep(WORK_MS);
    } finally {
      known.running = false;
    }
    if (act === 'refuse') throw new CircuitOpenError('c', 'open', { retryAfterMs: REFUSED_MS });
    if (act === 'ok' || act === 'slow') {
      known.ended = 'done';
      return;
    }
    known.spent += 1;
    if (act === 'bury' || known.spent > known.maxRetries) known.ended = 'dead';
    throw act === 'bury' ? new NoRetryError('x') : new Error('x');
  }

  /** Everything accepted is finished once there is a consumer and time enough. */
  async finish(): Promise<void> {
    await this.queue.resume();
    for (const { loop } of this.loops) loop.resume();
    this.consume(2);
    await vi.advanceTimersByTimeAsync(5_000);
    await Promise.all(this.calls);
    this.queue.close();
    expect(await this.queue.drain()).toEqual({ drained: true, left: 0, leaked: [] });
    const dead = await this.queue.deadLetters.list({ limit: 1_000 });
    for (const { loop } of this.loops) await loop.done;
    await this.queue[Symbol.asyncDispose]();

    expect(this.violations).toEqual([]);
    for (const { ended, accepted, unknown } of this.jobs)
      if (!unknown) expect(ended !== undefined).toBe(accepted);
    const died = this.jobs.filter(({ ended }) => ended === 'dead');
    // a later death of the same id replaces the earlier
    for (const { payload, attempts } of dead) expect(attempts).toBe(this.jobs[payload.key]?.spent);
    expect(dead.length).toBeLessThanOrEqual(died.length);
    expect(this.engine.deepest).toBeLessThanOrEqual(MAX_DEPTH);
    expect(vi.getTimerCount()).toBe(0);
  }
}

const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('enqueue' as const),
      acts: fc.array(fc.constantFrom<Act>('ok', 'throw', 'slow', 'slow-throw', 'refuse', 'bury'), {
        maxLength: 4,
      }),
      delayMs: fc.constantFrom(0, 0, 20, 60),
      maxRetries: fc.constantFrom(0, 1, 2),
      id: fc.constantFrom(undefined, undefined, 'a', 'b'),
      waits: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('turn' as const), count: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 20, 25, 40, 60) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('consume' as const),
      concurrency: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('stop' as const, 'pause-loop' as const, 'resume-loop' as const),
      who: fc.nat(3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const, 'close' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), who: fc.nat(30) }) },
);

async function run(
  world: World,
  commands: readonly (typeof command extends fc.Arbitrary<infer C> ? C : never)[],
): Promise<void> {
  for (const one of commands) {
    switch (one.do) {
      case 'enqueue':
        world.enqueue(one.acts, one);
        break;
      case 'turn':
        for (let n = 0; n < one.count; n += 1) await Promise.resolve();
        break;
      case 'pass':
        await vi.advanceTimersByTimeAsync(one.ms);
        break;
      case 'consume':
        world.consume(one.concurrency);
        break;
      case 'stop':
        void world.loops[one.who]?.loop.stop();
        break;
      case 'pause-loop':
        world.loops[one.who]?.loop.pause();
        break;
      case 'resume-loop':
        world.loops[one.who]?.loop.resume();
        break;
      case 'pause':
        void world.queue.pause();
        break;
      case 'resume':
        void world.queue.resume();
        break;
      case 'close':
        world.queue.close();
        break;
      case 'abort':
        world.controllers[one.who]?.abort();
        break;
    }
  }
}

let said: { mockRestore(): void };

beforeEach(() => {
  vi.useFakeTimers();
  said = vi.spyOn(console, 'error').mockImplementation(() => {});
});
afterEach(() => {
  said.mockRestore();
  vi.useRealTimers();
});

describe('JobQueue, whatever happens in whatever order', () => {
  it('finishes every accepted job once, runs none twice at once, and never holds more than it may', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 50 }), async (commands) => {
        const world = new World();
        await run(world, commands);
        await world.finish();
        expect(await world.queue.drain()).toMatchObject({ drained: true });
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  it('settles all of it when it is cancelled in the middle, and keeps account of what is left', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        let died = 0;
        using _listening = subscribe(({ type }) => {
          if (type === 'job.dead') died += 1;
        });
        const world = new World();
        await run(world, commands);
        world.queue.cancel();
        await vi.advanceTimersByTimeAsync(WORK_MS);
        await Promise.all(world.calls);
        for (const { loop } of world.loops) await loop.done;
        const done = world.jobs.filter(({ ended }) => ended === 'done');
        const accepted = world.jobs.filter((job) => job.accepted);
        const report = await world.queue.drain();
        expect(world.violations).toEqual([]);
        expect(report.leaked).toEqual([]);
        // an enqueue aborted after the engine was asked may be accepted without anybody knowing
        const unknown = world.controllers.filter(({ signal }) => signal.aborted).length;
        expect(report.left).toBeGreaterThanOrEqual(accepted.length - done.length - died);
        expect(report.left).toBeLessThanOrEqual(accepted.length - done.length - died + unknown);
        await world.queue[Symbol.asyncDispose]();
        expect(await world.queue.drain()).toEqual(report);
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});
