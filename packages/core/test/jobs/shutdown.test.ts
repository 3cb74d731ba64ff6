import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ADOPT, type Door, type ShutdownPhase } from '../../src/component.ts';
import { ShuttingDownError } from '../../src/errors/lifecycle-errors.ts';
import { subscribe, type HoldfastEvent } from '../../src/events/bus.ts';
import { JobQueue } from '../../src/jobs/job-queue.ts';
import { Service } from '../../src/service/service.ts';
import { executionOf } from '../../src/signal/execution.ts';
import { sleep } from '../../src/signal/sleep.ts';
import type { CallOptions } from '../../src/signal/work-context.ts';
import { ScriptedEngine } from './scripted-engine.ts';

const tick = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function memory(options: object = {}): JobQueue<string> {
  return new JobQueue<string>({ name: 'q', url: 'memory:', ...options });
}

function durable(engine: ScriptedEngine = new ScriptedEngine()): {
  engine: ScriptedEngine;
  queue: JobQueue<string>;
} {
  return { engine, queue: new JobQueue<string>({ name: 'q', url: 'script:', engines: [engine] }) };
}

/** A door that a test opens and shuts. */
class TestDoor implements Door {
  readonly owner = {};
  readonly #phases = new Map<ShutdownPhase, AbortController>();
  closed = false;
  refusal(options: CallOptions | undefined): ShuttingDownError | undefined {
    if (!this.closed || executionOf(options)?.isOwnedBy(this.owner)) return undefined;
    return new ShuttingDownError('test');
  }
  signalAt(phase: ShutdownPhase): AbortSignal {
    return this.#phase(phase).signal;
  }
  begin(phase: ShutdownPhase): void {
    this.#phase(phase).abort(new ShuttingDownError('test'));
  }
  #phase(phase: ShutdownPhase): AbortController {
    const known = this.#phases.get(phase) ?? new AbortController();
    this.#phases.set(phase, known);
    return known;
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('close', () => {
  it('accepts no more and keeps what was accepted', async () => {
    const queue = memory({ maxDepth: 1 });
    await queue.enqueue('a');
    const waiting = expect(queue.enqueue('b')).rejects.toMatchObject({ code: 'QUEUE_CLOSED', queue: 'q' });
    queue.close();
    queue.close();
    await waiting;
    await expect(queue.enqueue('c')).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    await expect(queue.enqueueMany([{ payload: 'c' }])).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    await expect(queue.deadLetters.requeue('c')).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    const seen: string[] = [];
    const loop = queue.consume((payload) => void seen.push(payload));
    await loop.done;
    expect(seen).toEqual(['a']);
  });

  it('lets consumers of memory work off what there is, retries included, and then ends them', async () => {
    const queue = memory({ retry: { maxRetries: 1, baseDelayMs: 100, jitter: 'none' } });
    const attempts: number[] = [];
    const loop = queue.consume((_, { attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error('x');
    });
    await queue.enqueue('a');
    queue.close();
    await tick(99);
    expect([attempts, loop.running]).toEqual([[1], true]);
    await tick(1);
    await loop.done;
    expect(attempts).toEqual([1, 2]);
  });

  it('takes nothing more from an engine that keeps the jobs, and finishes what it took', async () => {
    const { engine, queue } = durable();
    const loop = queue.consume(() => sleep(100));
    await tick();
    engine.push('x');
    queue.close();
    await tick();
    expect(engine.log).toEqual(['subscribe 1', 'unsubscribe']);
    await tick(100);
    expect(engine.log.at(-1)).toBe('ack a');
    await loop.done;
  });

  it('ends a consumer that comes later', async () => {
    const { engine, queue } = durable();
    queue.close();
    await queue.consume(() => {}).done;
    const empty = memory();
    empty.close();
    await empty.consume(() => {}).done;
    expect(engine.log).toEqual([]);
  });

  it('refuses one whose engine opens only after it', async () => {
    let opened: () => void = vi.fn<() => void>();
    const engine = new ScriptedEngine({
      open: () =>
        new Promise((resolve) => {
          opened = resolve;
        }),
    });
    const { queue } = durable(engine);
    const waiting = expect(queue.enqueue('a')).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    await tick();
    queue.close();
    opened();
    await waiting;
    expect(engine.accepted).toEqual([]);
  });
});

describe('drain', () => {
  it('waits until memory is empty and idle, delayed jobs included, and closes nothing', async () => {
    const queue = memory();
    queue.consume(() => sleep(10));
    await queue.enqueue('a', { delayMs: 100 });
    const drained = queue.drain();
    await tick(109);
    expect(await queue.drain({ timeoutMs: 0 })).toEqual({ drained: false, left: 1, leaked: [] });
    await tick(1);
    expect(await drained).toEqual({ drained: true, left: 0, leaked: [] });
    await queue.enqueue('b');
    await tick(10);
    expect(await queue.drain()).toMatchObject({ drained: true });
  });

  it('says after its time what is left', async () => {
    const queue = memory();
    await queue.enqueue('a');
    await queue.enqueue('b');
    const drained = queue.drain({ timeoutMs: 100 });
    await tick(100);
    expect(await drained).toEqual({ drained: false, left: 2, leaked: [] });
    await expect(queue.drain({ signal: AbortSignal.abort('left') })).rejects.toBe('left');
  });

  it('waits only for what runs here where the engine keeps the rest', async () => {
    const engine = new ScriptedEngine({
      counts: async () => ({ waiting: 5, active: 1, delayed: 0, dead: 0 }),
    });
    const { queue } = durable(engine);
    queue.consume(() => sleep(100));
    await tick();
    engine.push('x');
    expect(await queue.drain({ timeoutMs: 0 })).toMatchObject({ drained: false, left: 1 });
    const drained = queue.drain();
    await tick(100);
    expect(await drained).toMatchObject({ drained: true });
  });

  it('waits for calls to enqueue that the engine has not answered', async () => {
    let answer: () => void = vi.fn<() => void>();
    const engine = new ScriptedEngine({
      enqueue: (_queue, jobs) =>
        new Promise((resolve) => {
          answer = (): void => resolve(jobs.map(({ id }) => ({ status: 'enqueued', id })));
        }),
    });
    const { queue } = durable(engine);
    const enqueued = queue.enqueue('a');
    await tick();
    expect(await queue.drain({ timeoutMs: 0 })).toMatchObject({ drained: false, left: 1 });
    const drained = queue.drain();
    answer();
    await enqueued;
    expect(await drained).toMatchObject({ drained: true });
  });
});

describe('cancel', () => {
  it('rejects whoever waits and aborts handlers with the reason; their jobs are given back', async () => {
    const { engine, queue } = durable();
    const reasons: unknown[] = [];
    const loop = queue.consume(
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(signal.reason);
          });
        }),
    );
    await tick();
    engine.push('x');
    queue.cancel('enough');
    await loop.done;
    expect(reasons).toEqual(['enough']);
    expect(engine.log.toSorted()).toEqual(['release now a', 'subscribe 1', 'unsubscribe']);
    expect(await queue.drain()).toEqual({ drained: true, left: 0, leaked: [] });
  });

  it('has a reason of its own where none is given', async () => {
    const queue = memory({ maxDepth: 1 });
    await queue.enqueue('a');
    const waiting = queue.enqueue('b').catch((error: unknown) => error);
    queue.cancel();
    expect(await waiting).toMatchObject({ code: 'QUEUE_CLOSED' });
  });

  it('gives a job back whatever error the abort made of it, and acknowledges one that was done', async () => {
    const { engine, queue } = durable();
    queue.consume(
      async (payload, ctx) => {
        if (payload === 'unaware') await sleep(100);
        else
          await sleep(50, ctx).catch(() => {
            if (payload === 'throws') throw new Error('wrapped');
          });
      },
      { concurrency: 3 },
    );
    await tick();
    for (const id of ['unaware', 'throws', 'returns']) engine.push(id, { id });
    await tick();
    queue.cancel('enough');
    await tick(100);
    expect(engine.log.filter((line) => !line.includes('subscribe')).toSorted()).toEqual([
      'ack unaware',
      'release now returns',
      'release now throws',
    ]);
  });

  it('says what only memory held', async () => {
    const queue = memory();
    queue.consume((_, ctx) => sleep(1_000, ctx));
    await queue.enqueue('a');
    await queue.enqueue('b');
    await tick();
    const draining = queue.drain();
    queue.cancel('enough');
    expect(await draining).toEqual({ drained: false, left: 2, leaked: [] });
  });

  it('names the jobs whose handlers ignore their abort', async () => {
    const queue = memory();
    queue.consume(() => new Promise(() => {}));
    await queue.enqueue('a', { id: 'stuck' });
    await tick();
    queue.cancel('enough');
    const drained = queue.drain({ timeoutMs: 100 });
    await tick(100);
    expect(await drained).toEqual({ drained: false, left: 1, leaked: ['job "stuck" of queue "q"'] });
  });
});

describe('disposal', () => {
  it('works off memory, and releases everything', async () => {
    const seen: string[] = [];
    {
      await using queue = memory();
      queue.consume((payload) => void seen.push(payload));
      await queue.enqueue('a');
      await queue.enqueue('b');
    }
    expect(seen).toEqual(['a', 'b']);
  });

  it('does not wait for jobs that nobody will ever work on, and says that they are lost', async () => {
    const events: HoldfastEvent[] = [];
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const unheard = memory();
    await unheard.enqueue('a');
    await unheard[Symbol.asyncDispose]();
    expect(warned).toHaveBeenCalledOnce();
    expect(await unheard.drain()).toEqual({ drained: false, left: 1, leaked: [] });
    warned.mockRestore();

    using _listening = subscribe((event) => events.push(event));
    const paused = memory();
    paused.consume(() => {});
    await paused.pause();
    await paused.enqueue('a', { delayMs: 1_000 });
    await paused[Symbol.asyncDispose]();
    expect(events.at(-1)).toMatchObject({ type: 'queue.dropped', data: { why: 'disposed', count: 1 } });
  });

  it('waits for handlers, and for those that were cancelled two seconds at most', async () => {
    const { engine, queue } = durable();
    queue.consume(() => sleep(5_000));
    await tick();
    engine.push('x');
    const disposed = queue[Symbol.asyncDispose]();
    expect(queue[Symbol.asyncDispose]()).toBe(disposed);
    await tick(4_999);
    expect(engine.closed).toBe(false);
    await tick(1);
    await disposed;
    expect(engine.closed).toBe(true);

    const stuck = durable();
    stuck.queue.consume(() => new Promise(() => {}));
    await tick();
    stuck.engine.push('x');
    stuck.queue.cancel('enough');
    const gone = stuck.queue[Symbol.asyncDispose]();
    await tick(2_000);
    await gone;
    expect(stuck.engine.closed).toBe(true);
  });

  it('opens nothing, before or after', async () => {
    const { engine, queue } = durable();
    await queue[Symbol.asyncDispose]();
    expect(engine.closed).toBe(false);
    await expect(queue.open()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    await expect(queue.deadLetters.list()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
  });
});

describe('a job queue with a door', () => {
  it('refuses outside work once the door is shut, and lets tracked work in', async () => {
    const door = new TestDoor();
    const queue = memory();
    queue[ADOPT](door);
    const seen: string[] = [];
    queue.consume(async (payload, ctx) => {
      seen.push(payload);
      if (payload === 'a') await queue.enqueue('b', ctx);
      if (payload === 'b') await queue.enqueue('c', { ...ctx, maxWaitMs: 0 });
    });
    await queue.enqueue('a');
    door.closed = true;
    await expect(queue.enqueue('x')).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    await queue.drain();
    expect(seen).toEqual(['a', 'b', 'c']);
    queue.close();
    await expect(queue.enqueue('x')).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    await queue[Symbol.asyncDispose]();
  });

  it('takes no new lease from the lame duck on, while consumers of memory go on', async () => {
    const door = new TestDoor();
    const { engine, queue } = durable();
    queue[ADOPT](door);
    const loop = queue.consume(() => {});
    await tick();
    const kept = memory();
    kept[ADOPT](door);
    const seen: string[] = [];
    const goesOn = kept.consume((payload) => void seen.push(payload));
    door.begin('lame-duck');
    await loop.done;
    expect(engine.log).toEqual(['subscribe 1', 'unsubscribe']);
    await kept.enqueue('a');
    await kept.drain();
    expect([seen, goesOn.running]).toEqual([['a'], true]);
    await queue.consume(() => {}).done;
    expect(engine.log).toEqual(['subscribe 1', 'unsubscribe']);
    await kept[Symbol.asyncDispose]();
  });

  it('may be adopted after it began to consume', async () => {
    const door = new TestDoor();
    const { queue } = durable();
    const loop = queue.consume(() => {});
    queue[ADOPT](door);
    door.begin('lame-duck');
    await loop.done;
    expect(loop.running).toBe(false);
  });

  it('leaves no listener on the door', async () => {
    const door = new TestDoor();
    const added = vi.spyOn(door.signalAt('lame-duck'), 'addEventListener');
    const removed = vi.spyOn(door.signalAt('lame-duck'), 'removeEventListener');
    const queue = memory();
    queue[ADOPT](door);
    for (let n = 0; n < 100; n += 1) queue.consume(() => {});
    expect(added).toHaveBeenCalledOnce();
    await queue[Symbol.asyncDispose]();
    expect(removed).toHaveBeenCalledOnce();
  });
});

describe('a job queue under a service', () => {
  it('is worked off at shutdown, what its handlers enqueue included', async () => {
    const service = new Service({ name: 's', shutdown: { budgetMs: 5_000 } });
    const first = service.own(memory({ name: 'first' }));
    const second = service.own(memory({ name: 'second' }));
    const seen: string[] = [];
    first.consume(async (payload, ctx) => {
      await sleep(50, ctx);
      await second.enqueue(`${payload}!`, ctx);
    });
    second.consume(async (payload, ctx) => {
      await sleep(50, ctx);
      seen.push(payload);
    });
    await service.start();
    for (const payload of ['a', 'b', 'c']) await first.enqueue(payload);
    const shutdown = service.shutdown();
    await tick(5_000);
    expect(await shutdown).toMatchObject({
      outcome: 'clean',
      components: { first: { drained: true, left: 0 } },
    });
    expect(seen).toEqual(['a!', 'b!', 'c!']);
  });

  it('fails a shutdown that leaves jobs in memory, and says how many', async () => {
    const service = new Service({ name: 's', shutdown: { budgetMs: 5_000 } });
    const queue = service.own(memory());
    queue.consume((_, ctx) => sleep(100_000, ctx));
    await service.start();
    await queue.enqueue('a');
    await queue.enqueue('b');
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const shutdown = service.shutdown();
    await tick(5_000);
    expect(await shutdown).toMatchObject({
      outcome: 'failed',
      components: { q: { drained: false, left: 2, leaked: [] } },
    });
    warned.mockRestore();
  });

  it('hands back to a durable engine what it could not finish, which is no failure', async () => {
    const { engine, queue } = durable();
    const service = new Service({ name: 's', shutdown: { budgetMs: 5_000 } });
    service.own(queue);
    queue.consume((_, ctx) => sleep(100_000, ctx));
    await service.start();
    await tick();
    engine.push('x');
    const shutdown = service.shutdown();
    await tick(5_000);
    expect(await shutdown).toMatchObject({
      outcome: 'clean',
      components: { q: { drained: false, left: 1 } },
    });
    expect(engine.log.toSorted()).toEqual(['release now a', 'subscribe 1', 'unsubscribe']);
    expect(engine.closed).toBe(true);
  });

  it('fails the start where the engine does not open', async () => {
    const { queue } = durable(new ScriptedEngine({ open: () => Promise.reject(new Error('down')) }));
    const service = new Service({ name: 's' });
    service.own(queue);
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const loop = queue.consume(() => {});
    await expect(service.start()).rejects.toThrow('down');
    await tick();
    await loop.done;
    said.mockRestore();
  });
});
