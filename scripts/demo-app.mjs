/**
 * One app of the demonstration as a child process: its output with its name before each line, its address, its end. It leads a
 * process group of its own and ends by itself should this process vanish.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './workspaces.mjs';

const leaveWithParent = new URL('./leave-with-parent.mjs', import.meta.url).href;

export class DemoApp {
  #child;
  /** Resolves with the exit code when it has ended; 1 where a signal ended it. */
  ended;
  /** Resolves with the address it listens on; undefined where it ends without. */
  url;

  /**
   * @param {string} name
   * @param {string} main its built file, from the root of the repository
   * @param {Record<string, string | undefined>} [env]
   */
  constructor(name, main, env = {}) {
    this.#child = spawn(process.execPath, ['--import', leaveWithParent, join(root, main)], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...env },
    });
    /** @type {Promise<number>} */
    this.ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve(1));
      this.#child.once('close', (code) => resolve(code ?? 1));
    });
    /** @type {Promise<string | undefined>} */
    this.url = new Promise((resolve) => {
      for (const output of [this.#child.stdout, this.#child.stderr]) {
        if (output === null) continue;
        createInterface(output).on('line', (line) => {
          console.log(`${name.padEnd(8)} | ${line}`);
          const [, url] = /^listening on (\S+)/.exec(line) ?? [];
          if (url !== undefined) resolve(url);
        });
      }
      void this.ended.then(() => resolve(undefined));
    });
  }

  /** Tells it to end as Ctrl-C would, and waits until it has; says so again each time it is called. */
  stop() {
    this.#child.kill('SIGINT');
    return this.ended;
  }
}
