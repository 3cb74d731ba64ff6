/**
 * A driver on one SQLite file. Several processes of one host may share it; a job is leased to one of them at a time, by this host's
 * clock. The file must be on a local disk: the locks of network file systems do not hold.
 */
import { mkdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  EngineUnavailableError,
  UnsafeEngineError,
  sleep,
  type CallOptions,
  type DeadLetterStore,
  type EnqueueResult,
  type JobAdmission,
  type JobCapabilities,
  type JobDelivery,
  type JobDriver,
  type JobSubscribeOptions,
  type Stats,
  type WireJob,
} from '@holdfast/core';
import { connectFile, type Database } from './binding.ts';
import { DeadTable } from './dead-table.ts';
import { JobTable } from './job-table.ts';
import type { Location } from './location.ts';
import { prepareSchema } from './schema.ts';
import { isBusy, translate } from './sqlite-errors.ts';
import { Subscription } from './subscription.ts';
import { Writer } from './writer.ts';

/** File systems whose locks cannot be trusted: NFS, SMB, CIFS. */
const NETWORK_FILE_SYSTEMS: ReadonlySet<number> = new Set<number>([0x6969, 0x517b, 0xff534d42, 0xfe534d42]);

interface Tables {
  readonly jobs: JobTable;
  readonly dead: DeadTable;
}

interface Connection {
  readonly db: Database;
  readonly writer: Writer;
  readonly tables: Map<string, Tables>;
}

/** The engine behind `sqlite:`. */
export class SqliteDriver implements JobDriver {
  readonly capabilities: JobCapabilities;
  readonly dead: DeadLetterStore = {
    list: async (queue, { limit, cursor }) => (await this.#tables(queue)).dead.list(limit, cursor),
    requeue: (queue, id, { maxDepth, signal }) =>
      this.#write(queue, ({ dead }) => dead.requeue(id, maxDepth), signal),
    remove: (queue, id) => this.#write(queue, ({ dead }) => dead.remove(id)),
  };
  readonly #location: Location;
  readonly #subscriptions: Map<Subscription, string> = new Map<Subscription, string>();
  #connection: Connection | undefined;

  constructor(location: Location) {
    this.#location = location;
    this.capabilities = capabilitiesOf(location);
  }

  async open({ signal }: CallOptions): Promise<void> {
    if (this.#connection !== undefined) return;
    const { path, synchronous } = this.#location;
    try {
      await mkdir(dirname(path), { recursive: true });
      await refuseNetwork(dirname(path));
    } catch (error) {
      if (error instanceof UnsafeEngineError) throw error;
      throw new EngineUnavailableError(`The folder of ${path} cannot be used`, error);
    }
    const db = await connectFile(path).catch((error: unknown) => {
      throw translate(error);
    });
    try {
      await patiently(() => prepareSchema(db, synchronous), signal);
    } catch (error) {
      db.close();
      throw translate(error);
    }
    this.#connection = { db, writer: new Writer(db), tables: new Map<string, Tables>() };
  }

  async enqueue(
    queue: string,
    jobs: readonly WireJob[],
    { maxDepth, signal }: JobAdmission,
  ): Promise<readonly EnqueueResult[]> {
    const results = await this.#write(queue, (tables) => tables.jobs.enqueue(jobs, maxDepth), signal);
    this.#wake(queue);
    return results;
  }

  async consume(
    queue: string,
    options: JobSubscribeOptions,
    deliver: (delivery: JobDelivery) => void,
  ): Promise<AsyncDisposable> {
    const { writer } = this.#connected();
    const { jobs, dead } = await this.#tables(queue);
    const ended = (subscription: Subscription): void => void this.#subscriptions.delete(subscription);
    const subscription = new Subscription({ queue, writer, jobs, dead, ended }, options, deliver);
    this.#subscriptions.set(subscription, queue);
    return subscription;
  }

  async counts(queue: string): Promise<Stats> {
    const { jobs } = await this.#tables(queue);
    try {
      return jobs.counts();
    } catch (error) {
      throw translate(error);
    }
  }

  async queues(): Promise<readonly string[]> {
    try {
      const rows = this.#connected().db.prepare('SELECT name FROM holdfast_queues ORDER BY name').all();
      return rows.map((row) => String(row['name']));
    } catch (error) {
      throw translate(error);
    }
  }

  async setPaused(queue: string, paused: boolean): Promise<void> {
    await this.#write(queue, ({ jobs }) => jobs.setPaused(paused));
    this.#wake(queue);
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    connection.writer.close();
    for (const subscription of this.#subscriptions.keys()) subscription.abandon();
    this.#subscriptions.clear();
    connection.db.close();
  }

  async #write<T>(queue: string, work: (tables: Tables) => T, signal?: AbortSignal): Promise<T> {
    const tables = await this.#tables(queue);
    return this.#connected().writer.run(() => work(tables), signal);
  }

  /** The queue's tables, with its row made at first use. */
  async #tables(queue: string): Promise<Tables> {
    const { db, writer, tables } = this.#connected();
    const known = tables.get(queue);
    if (known !== undefined) return known;
    const made = await writer.run(() => {
      const jobs = new JobTable(db, queue);
      return { jobs, dead: new DeadTable(db, queue, jobs) };
    });
    tables.set(queue, made);
    return made;
  }

  #connected(): Connection {
    if (this.#connection === undefined) throw new EngineUnavailableError('The SQLite driver is not open');
    return this.#connection;
  }

  #wake(queue: string): void {
    for (const [subscription, name] of this.#subscriptions) if (name === queue) subscription.look();
  }
}

function capabilitiesOf({ synchronous }: Location): JobCapabilities {
  return {
    reach: 'host',
    delivery: 'at-least-once',
    durability: synchronous === 'full' ? 'power-loss' : 'process-crash',
    crashDetection: 'lease',
    leaseClock: 'worker',
    delayClock: 'host',
    delay: 'native',
    priority: 'native',
    dedupe: { scope: 'while-present', reported: true },
    order: 'fifo-single-consumer',
    backpressure: 'exact',
    pause: 'queue',
    atomicBatch: true,
    counts: ['waiting', 'active', 'delayed', 'dead'],
    maxPayloadBytes: 256 * 1024 * 1024,
    transactionalEnqueue: false,
  };
}

async function refuseNetwork(folder: string): Promise<void> {
  const { type } = await statfs(folder);
  if (NETWORK_FILE_SYSTEMS.has(type))
    throw new UnsafeEngineError(`${folder} is on a network file system, whose locks do not hold`);
}

/** Tries again while another process has the file locked. */
async function patiently(work: () => void, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    try {
      work();
      return;
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    await sleep(10 + Math.random() * 20, { signal });
  }
}
