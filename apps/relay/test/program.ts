/// <reference lib="esnext.disposable" />
/** A relay as a child process, for tests; started from its built main file. Not a test file itself. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const strict = ['--unhandled-rejections=strict', '--trace-warnings'];

/** A running relay. */
export class Program implements AsyncDisposable {
  /** Resolves with the address that it prints. */
  readonly url: Promise<string>;
  /** Resolves with exit code and signal. */
  readonly ended: Promise<unknown[]>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;

  constructor(main: URL, data: string, env: Readonly<Record<string, string>> = {}) {
    if (!existsSync(main)) throw new Error(`${fileURLToPath(main)} must be built`);
    this.#child = spawn(process.execPath, [...strict, fileURLToPath(main)], {
      env: { PATH: process.env['PATH'], PORT: '0', RELAY_DATA: data, ...env },
      cwd: data,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = once(this.#child, 'close');
    this.#child.stderr.on('data', (text: Buffer) => (this.stderr += text.toString()));
    this.url = new Promise((resolve, reject) => {
      this.#child.once('close', () => reject(new Error(`ended early: ${this.stdout}${this.stderr}`)));
      this.#child.stdout.on('data', (text: Buffer) => {
        this.stdout += text.toString();
        const [, url] = /listening on (\S+)\n/.exec(this.stdout) ?? [];
        if (url !== undefined) resolve(url);
      });
    });
  }

  /** Sends JSON, or asks. */
  async ask(
    path: string,
    body?: unknown,
  ): Promise<{ status: number; type: string | undefined; body: unknown }> {
    const headers = { 'content-type': 'application/json' };
    const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
    const response = await fetch((await this.url) + path, init);
    const type = response.headers.get('content-type')?.split(';')[0];
    return { status: response.status, type, body: await response.json() };
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals): Promise<unknown[]> {
    this.#child.kill(signal);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }
}
