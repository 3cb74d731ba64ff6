/// <reference lib="esnext.disposable" />
/** A relay under test: one server as a child process with a data directory of its own, and the requests its users make. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppProcess, type Exit } from './app-process.ts';
import type { RelayServer } from './servers.ts';

/** An answer, read whole. `body` is the parsed JSON where it is JSON. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** What a relay says of its own end. */
export interface Report {
  readonly outcome: string;
  readonly leaked: readonly string[];
  readonly components: Readonly<
    Record<string, { drained: boolean; left: number; leaked: readonly string[] }>
  >;
  readonly requests: { drained: number; cancelled: number; rejected: number };
}

/** What a request may add. */
export interface SendInit extends RequestInit {
  readonly headers?: Readonly<Record<string, string>>;
}

/** Values that make failures cheap to wait for; a test overrides what it is about. */
const quick = {
  PORT: '0',
  RELAY_RETRY_BASE_MS: '10',
  RELAY_RETRY_MAX_MS: '50',
};

/** One running relay. */
export class Relay implements AsyncDisposable {
  readonly process: AppProcess;
  readonly data: string;
  readonly url: string;
  readonly #ownsData: boolean;

  private constructor(process: AppProcess, data: string, url: string, ownsData: boolean) {
    this.process = process;
    this.data = data;
    this.url = url;
    this.#ownsData = ownsData;
  }

  /** Starts `server` and waits until it listens. `data` reuses a directory of an earlier run, which the caller removes. */
  static async start(
    server: RelayServer,
    env: Readonly<Record<string, string>> = {},
    options: { readonly data?: string; readonly group?: boolean } = {},
  ): Promise<Relay> {
    const data = options.data ?? (await temporaryDirectory());
    const app = new AppProcess(server.main, {
      env: { ...quick, ...server.env, RELAY_DATA: data, ...env },
      group: options.group ?? false,
    });
    return new Relay(app, data, await app.url(), options.data === undefined);
  }

  /** Sends a request and reads the answer whole. */
  async send(method: string, path: string, body?: unknown, init: SendInit = {}): Promise<Answered> {
    const response = await fetch(this.url + path, {
      method,
      redirect: 'manual',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...init,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...init.headers },
    });
    const text = await response.text();
    const json = text !== '' && /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : {} };
  }

  get(path: string): Promise<Answered> {
    return this.send('GET', path);
  }

  /** `POST /events`. */
  post(event: unknown, query = '', init: SendInit = {}): Promise<Answered> {
    return this.send('POST', `/events${query}`, event, init);
  }

  /** Asks for the event until `condition` holds. */
  async settled(
    id: string,
    condition: (event: Record<string, unknown>) => boolean,
  ): Promise<Record<string, unknown>> {
    return eventually(async () => {
      const { body } = await this.get(`/events/${encodeURIComponent(id)}`);
      return condition(body) ? body : undefined;
    });
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.process.kill(signal);
    return this.process.exited;
  }

  /** The report it printed at its end. */
  async report(): Promise<Report> {
    await this.process.exited;
    const line = this.process.stdout.split('\n').findLast((text) => text.includes('"outcome"'));
    if (line === undefined) throw new Error(`no report was printed\n${this.process.output}`);
    return JSON.parse(line.slice(line.indexOf('{'))) as Report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.process[Symbol.asyncDispose]();
    } finally {
      if (this.#ownsData) await rm(this.data, { recursive: true, force: true });
    }
  }
}

/** A directory of its own under the system's temporary one. */
export function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'relay-'));
}

/** Asks again, with short pauses, until `probe` has an answer; the test's own time-out is the limit. */
export async function eventually<T>(probe: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
