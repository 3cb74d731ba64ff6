/// <reference lib="esnext.disposable" />
/** The relay under attack: started again whenever it ends, until it is told to stop. Its address changes with each start. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Watchdog } from '@holdfast/conformance/engines';

const main = fileURLToPath(new URL('../../relay-hono/dist/main.js', import.meta.url));
const RESTART_MS = 200;

/** A relay that comes back. */
export class UndyingRelay implements AsyncDisposable {
  readonly #env: Readonly<Record<string, string>>;
  readonly #watchdog: Watchdog;
  #child: ChildProcess | undefined;
  #url: string | undefined;
  #stopping = false;
  #living: Promise<void>;
  /** What the relays wrote to standard error. */
  stderr = '';

  /** `watchdog` ends the relay should this process vanish. */
  constructor(watchdog: Watchdog, env: Readonly<Record<string, string>>) {
    this.#watchdog = watchdog;
    this.#env = env;
    this.#living = this.#live();
  }

  /** Its address, while it listens. */
  get url(): string | undefined {
    return this.#url;
  }

  /** Asks it; `undefined` where there is no answer. */
  async ask(
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: unknown } | undefined> {
    if (this.#url === undefined) return undefined;
    const headers = { 'content-type': 'application/json' };
    const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
    try {
      const response = await fetch(this.#url + path, init);
      return { status: response.status, body: await response.json() };
    } catch {
      return undefined;
    }
  }

  /** Kills it with SIGKILL; false where it is not there. */
  kill(): boolean {
    if (this.#url === undefined) return false;
    this.#url = undefined;
    return this.#child?.kill('SIGKILL') ?? false;
  }

  /** Ends it by SIGTERM and for good; its exit code. */
  async stop(): Promise<number | null> {
    this.#stopping = true;
    const child = this.#child;
    child?.kill('SIGTERM');
    await this.#living;
    return child?.exitCode ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#child?.kill('SIGKILL');
    await this.#living;
  }

  async #live(): Promise<void> {
    while (!this.#stopping) {
      const child = spawn(process.execPath, ['--unhandled-rejections=strict', main], {
        env: { PATH: process.env['PATH'], ...this.#env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      this.#child = child;
      this.#watchdog.watch(child.pid);
      child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
      createInterface(child.stdout).on('line', (line) => {
        const [, url] = /^listening on (\S+)/.exec(line) ?? [];
        if (url !== undefined && !child.killed) this.#url = url;
      });
      await once(child, 'close');
      this.#watchdog.watch(undefined);
      this.#url = undefined;
      // an engine that is down lets no relay start
      if (!this.#stopping) await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
    }
  }
}
