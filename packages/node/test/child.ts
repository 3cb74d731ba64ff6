/** Runs a fixture as a process of its own, the way an application runs: plain JavaScript that imports what is built. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ShutdownReport } from '@holdfast/core';

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly string[];
  readonly errors: string;
}

/** A fixture that runs. */
export class Child {
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ending>;
  readonly #lines: string[] = [];
  readonly #waiting: { text: string; resolve: (line: string) => void }[] = [];
  #errors = '';

  constructor(fixture: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    const file = fileURLToPath(new URL(`fixtures/${fixture}`, import.meta.url));
    this.process = spawn(process.execPath, [file, ...args], { env: { ...process.env, ...env } });
    createInterface(this.process.stdout).on('line', (line) => this.#heard(line));
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    this.ended = new Promise((resolve) => {
      this.process.on('close', (code, signal) => {
        resolve({ code, signal, lines: this.#lines, errors: this.#errors });
      });
    });
  }

  /** The first line, present or future, that has `text` in it; rejects where the process ends without it. */
  async line(text: string): Promise<string> {
    const found = this.#lines.find((line) => line.includes(text));
    if (found !== undefined) return found;
    const heard = new Promise<string>((resolve) => this.#waiting.push({ text, resolve }));
    const never = this.ended.then(({ code, errors }) => {
      throw new Error(
        `The process ended (${code}) without saying "${text}":\n${this.#lines.join('\n')}\n${errors}`,
      );
    });
    return Promise.race([heard, never]);
  }

  #heard(line: string): void {
    this.#lines.push(line);
    for (const { text, resolve } of this.#waiting) if (line.includes(text)) resolve(line);
  }
}

/** The report that a fixture printed. */
export function reportOf({ lines, errors }: Ending): ShutdownReport {
  const line = lines.find((line) => line.startsWith('report '));
  if (line === undefined) throw new Error(`no report:\n${lines.join('\n')}\n${errors}`);
  return JSON.parse(line.slice('report '.length));
}
