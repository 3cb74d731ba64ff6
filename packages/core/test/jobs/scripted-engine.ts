/** An engine whose every answer a test decides, and that behaves like a durable one: leases can be lost, starts are counted. */
import type { Stats } from '../../src/component.ts';
import type {
  EnqueueResult,
  JobCapabilities,
  JobDelivery,
  JobDriver,
  JobEngine,
  JobSubscribeOptions,
  WireJob,
} from '../../src/jobs/engine.ts';
import { memory } from '../../src/jobs/memory-engine.ts';

export interface Script {
  capabilities?: Partial<JobCapabilities>;
  open?: JobDriver['open'];
  enqueue?: JobDriver['enqueue'];
  consume?: JobDriver['consume'];
  counts?: JobDriver['counts'];
  setPaused?: JobDriver['setPaused'];
  dead?: Partial<JobDriver['dead']>;
}

export class ScriptedEngine implements JobEngine {
  readonly schemes: readonly string[] = ['script:'];
  readonly log: string[] = [];
  readonly accepted: WireJob[] = [];
  readonly subscriptions: JobSubscribeOptions[] = [];
  closed = false;
  deliver: ((delivery: JobDelivery) => void) | undefined;
  readonly #script: Script;

  constructor(script: Script = {}) {
    this.#script = script;
  }

  connect(): JobDriver {
    const base = memory.connect(new URL('memory:'));
    const script = this.#script;
    const capabilities: JobCapabilities = {
      ...base.capabilities,
      reach: 'network',
      delivery: 'at-least-once',
      durability: 'process-crash',
      ...script.capabilities,
    };
    return {
      capabilities,
      open: script.open ?? (async (): Promise<void> => {}),
      enqueue:
        script.enqueue ??
        (async (_queue, jobs): Promise<readonly EnqueueResult[]> => {
          this.accepted.push(...jobs);
          return jobs.map(({ id }) => ({ status: 'enqueued', id }));
        }),
      consume:
        script.consume ??
        (async (_queue, options, deliver): Promise<AsyncDisposable> => {
          this.subscriptions.push(options);
          this.log.push(`subscribe ${options.concurrency}`);
          this.deliver = deliver;
          return {
            [Symbol.asyncDispose]: async (): Promise<void> => {
              this.log.push('unsubscribe');
              this.deliver = undefined;
            },
          };
        }),
      counts: script.counts ?? (async (): Promise<Stats> => ({ waiting: 0, active: 0, delayed: 0, dead: 0 })),
      ...(script.setPaused === undefined ? {} : { setPaused: script.setPaused }),
      dead: { ...base.dead, ...script.dead },
      close: async (): Promise<void> => {
        this.closed = true;
      },
    };
  }

  /** Delivers one job; what becomes of it is in `log`. */
  push(
    payload: unknown,
    options: { attempt?: number; id?: string; signal?: AbortSignal; job?: Partial<WireJob> } = {},
  ): void {
    const { attempt = 1, id = 'a', signal, job } = options;
    if (this.deliver === undefined) throw new Error('nobody has subscribed');
    const note = async (text: string): Promise<void> => {
      this.log.push(`${text} ${id}`);
    };
    this.deliver({
      job: {
        id,
        body: JSON.stringify(payload),
        headers: {},
        delayMs: 0,
        priority: 'normal',
        enqueuedAt: Date.now(),
        maxRetries: 3,
        ...job,
      },
      attempt,
      signal,
      ack: async () => {
        await note('ack');
        return signal?.aborted ? 'lease-lost' : 'acked';
      },
      retry: (delayMs, error) => note(`retry ${delayMs} ${error.message}`),
      dead: (error) => note(`dead ${error.message}`),
      release: (delayMs) => note(`release ${delayMs ?? 'now'}`),
    });
  }
}
