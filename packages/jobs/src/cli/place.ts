/** The queue a command works on, at the engine of its URL. A command looks first whether it is there, so that it makes none by mistake. */
import { existsSync } from 'node:fs';
import { JobQueue, UnsupportedError, type JobDriver, type JobEngine, type Stats } from '@holdfast/core';
import { call } from '@holdfast/core/internal';
import { loadEngines } from '../engines/load-engines.ts';
import { nearest } from './nearest.ts';
import { printable } from './print.ts';
import { UsageError } from './usage-error.ts';

/** How long an engine may take to answer, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** What is at a URL. */
export class Place implements AsyncDisposable {
  readonly driver: JobDriver;
  readonly #url: string;
  readonly #engine: JobEngine;

  private constructor(url: string, engine: JobEngine) {
    this.driver = engine.connect(new URL(url));
    this.#url = url;
    // one connection for all that a command does
    this.#engine = { schemes: engine.schemes, connect: () => lend(this.driver) };
  }

  /** Connects; `create` is whether a file may be made. */
  static async open(url: string, create: boolean): Promise<Place> {
    const [engine] = await loadEngines(url).catch((error: unknown) => {
      throw error instanceof RangeError ? new UsageError(error.message) : error;
    });
    if (engine === undefined)
      throw new UsageError('a memory: queue can only be seen by the process that has it');
    const place = connect(() => new Place(url, engine));
    const { protocol, pathname } = new URL(url);
    if (protocol === 'sqlite:' && !create && !existsSync(decodeURIComponent(pathname)))
      throw new Error(`there is no file ${printable(decodeURIComponent(pathname))}`);
    try {
      await call((ctx) => place.driver.open(ctx), { timeoutMs: TIMEOUT_MS, name: 'Opening the engine' });
      return place;
    } catch (error) {
      await place.driver.close().catch(() => {}); // what failed to open may fail to close
      throw error;
    }
  }

  /** Names of the queues. */
  async names(): Promise<readonly string[]> {
    const names = await this.#names();
    if (names === undefined) throw new UnsupportedError('this engine cannot tell its queues; name one');
    return names;
  }

  /** One queue, which has to be there if the engine can tell. */
  async queue(name: string): Promise<JobQueue<unknown>> {
    const names = await this.#names();
    if (names !== undefined && !names.includes(name)) throw new Error(unknown(name, names));
    return this.newQueue(name);
  }

  /** One queue, which may be new. */
  newQueue(name: string): JobQueue<unknown> {
    return new JobQueue<unknown>({ name, url: this.#url, engines: [this.#engine] });
  }

  /** What the engine counts. */
  counts(name: string): Promise<Stats> {
    return call(() => this.driver.counts(name), { timeoutMs: TIMEOUT_MS, name: `Queue "${name}"` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driver.close();
  }

  async #names(): Promise<readonly string[] | undefined> {
    return call(() => this.driver.queues?.(), { timeoutMs: TIMEOUT_MS, name: 'Listing queues' });
  }
}

/** The driver for somebody who neither opens nor closes it. */
function lend(driver: JobDriver): JobDriver {
  return {
    get capabilities() {
      return driver.capabilities;
    },
    dead: driver.dead,
    open: async () => {},
    close: async () => {},
    enqueue: (...args) => driver.enqueue(...args),
    consume: (...args) => driver.consume(...args),
    counts: (queue) => driver.counts(queue),
    ...(driver.setPaused === undefined
      ? {}
      : {
          setPaused: async (...args): Promise<void> => {
            await driver.setPaused?.(...args);
          },
        }),
  };
}

/** A URL that its engine does not understand is a mistake of the command line. */
function connect(make: () => Place): Place {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
}

function unknown(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  if (meant !== undefined)
    return `there is no queue "${printable(name)}"; did you mean "${printable(meant)}"?`;
  const known = names.length === 0 ? 'there is none' : `there are ${names.map(printable).join(', ')}`;
  return `there is no queue "${printable(name)}"; ${known}`;
}
