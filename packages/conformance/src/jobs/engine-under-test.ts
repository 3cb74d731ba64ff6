/** An engine as the suite sees it, and one sentence that holds for every engine. */
import { JobQueue, subscribe, type JobDriver, type JobEngine, type JobQueueOptions } from '@holdfast/core';
import { expect } from 'vitest';
import type { ServerInUse } from '../engines/on-server.ts';
import type { ServerControl } from '../engines/server-process.ts';
import { Wire } from '../engines/wire.ts';
import { spawnWorker, type WorkerProcess, type WorkerTask } from './worker-process.ts';

/** What the suite needs to know of an engine. */
export interface EngineUnderTest {
  /** Absent for the one that is built in. */
  readonly engine: JobEngine | undefined;
  /** A URL with nothing behind it yet: another one for each test. */
  url(): string | Promise<string>;
  /** Where another process gets the engine from; absent for one that ends with its process. */
  readonly importedFrom?: { readonly specifier: string; readonly name: string } | undefined;
  /** Makes what is stored of the jobs that wait on queue `jobs` of this URL something that cannot be read; absent where nobody can. */
  readonly spoil?: ((url: string) => Promise<void>) | undefined;
  /** The server behind it; absent for one that has none. */
  readonly server?: ServerInUse | undefined;
}

/** A test that all engines share. Its second half may depend on a capability, never on a name. */
export interface EngineCase {
  readonly sentence: string;
  /** It is for engines with a server: one that is killed, or one that is reached by a wire that is cut. */
  readonly needs?: 'server' | 'wire' | undefined;
  /** Longest time, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined;
  readonly run: (place: Place) => Promise<void>;
}

/** One test's own queues, disposed of at its end. */
export class Place implements AsyncDisposable {
  readonly #under: EngineUnderTest;
  readonly #url: string;
  readonly #wire: Wire | undefined;
  readonly #open: AsyncDisposable[] = [];
  /** With a subscriber nothing is said on the console. */
  readonly #listening: Disposable = subscribe(() => {});

  constructor(under: EngineUnderTest, url: string, wire?: Wire) {
    this.#under = under;
    this.#url = wire?.url ?? url;
    this.#wire = wire;
    if (wire !== undefined) this.#open.push(wire);
  }

  /** A place for a case, with what the case needs. */
  static async of(under: EngineUnderTest, { needs }: EngineCase): Promise<Place> {
    const url = await under.url();
    return new Place(under, url, needs === 'wire' ? await Wire.to(url) : undefined);
  }

  /** The server, for cases that need one. */
  get server(): ServerControl {
    const control = this.#under.server?.control;
    if (control === undefined) throw new Error('There is no server that this test may touch');
    return control;
  }

  /** Spoils what waits; false where nobody can. */
  async spoil(): Promise<boolean> {
    await this.#under.spoil?.(this.#url);
    return this.#under.spoil !== undefined;
  }

  /** The way to the server, for cases that need it. */
  get wire(): Wire {
    if (this.#wire === undefined) throw new Error('This test did not ask for a wire');
    return this.#wire;
  }

  /** A queue object on this test's URL; several of one name are the same queue, as far as the engine reaches. */
  queue<T = unknown>(options: Partial<JobQueueOptions> = {}): JobQueue<T> {
    const { engine } = this.#under;
    const engines = engine === undefined ? [] : [engine];
    const queue = new JobQueue<T>({ name: 'jobs', url: this.#url, engines, retry: QUICK, ...options });
    this.#open.push({
      [Symbol.asyncDispose]: async () => {
        queue.cancel();
        await queue[Symbol.asyncDispose]();
      },
    });
    return queue;
  }

  /** A driver on this test's URL, opened; `undefined` for the engine that is built in. */
  async driver(): Promise<JobDriver | undefined> {
    const driver = this.#under.engine?.connect(new URL(this.#url));
    if (driver === undefined) return undefined;
    this.#open.push({ [Symbol.asyncDispose]: () => driver.close() });
    await driver.open({});
    return driver;
  }

  /** Another process that works on queue `jobs`, or `undefined` where no other process can. */
  process(task: WorkerTask): WorkerProcess | undefined {
    const { importedFrom } = this.#under;
    if (importedFrom === undefined) return undefined;
    const worker = spawnWorker({ ...importedFrom, url: this.#url, ...task });
    this.#open.push(worker);
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.toReversed()) await one[Symbol.asyncDispose]();
    this.#listening[Symbol.dispose]();
  }
}

/** Starts again at once, so that tests need not wait. */
export const QUICK = { maxRetries: 3, baseDelayMs: 1, maxDelayMs: 1, jitter: 'none' } as const;

/** A promise with its resolver: how tests wait for events instead of for time. */
export class Gate<T = void> {
  readonly opened: Promise<T>;
  #open: (value: T) => void = () => {};

  constructor() {
    this.opened = new Promise<T>((resolve) => {
      this.#open = resolve;
    });
  }

  open(value: T): void {
    this.#open(value);
  }
}

/** Collects what handlers do, and waits for so much of it. */
export class Log<T> {
  readonly entries: T[] = [];
  readonly #waiting = new Set<{ readonly count: number; readonly gate: Gate }>();

  add(entry: T): void {
    this.entries.push(entry);
    for (const one of this.#waiting) if (this.entries.length >= one.count) one.gate.open();
  }

  /** Resolves once there are `count` entries. */
  async reached(count: number): Promise<readonly T[]> {
    if (this.entries.length < count) {
      const gate = new Gate();
      this.#waiting.add({ count, gate });
      await gate.opened;
    }
    return this.entries;
  }
}

/** Expects something of what `fn` gives, sooner or later: only how fast a machine is may make it late. */
export function eventually<T>(fn: () => T, timeoutMs = 10_000): ReturnType<typeof expect.poll<T>> {
  return expect.poll(fn, { timeout: timeoutMs, interval: 10 });
}
