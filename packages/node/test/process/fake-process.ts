/** A process that a test can signal, and that records what is done to it instead of ending. */
import { EventEmitter } from 'node:events';
import type { HostProcess } from '../../src/process/host-process.ts';

export class FakeProcess extends EventEmitter implements HostProcess {
  pid = 4_711;
  ppid = 4_000;
  readonly env: Record<string, string | undefined> = {};
  channel: object | undefined;
  exitCode: number | string | null | undefined;
  /** What it was warned of, by type. */
  readonly warnings: string[] = [];
  /** What has ended the process, in order: exit codes and signals. */
  readonly ends: (number | string)[] = [];
  readonly #ended: ((end: number | string) => void)[] = [];

  /** What keeps its loop alive. */
  readonly open: string[] = [];

  getActiveResourcesInfo(): readonly string[] {
    return this.open;
  }

  emitWarning(warning: string, { type }: { readonly type: string }): void {
    this.warnings.push(`${type}: ${warning.split('\n')[0]}`);
  }

  exit(code: number): void {
    this.#end(code);
  }

  kill(pid: number, signal: string): void {
    if (pid === this.pid) this.#end(signal);
  }

  /** Resolves with the first thing that ends the process. */
  get ended(): Promise<number | string> {
    const [first] = this.ends;
    return first === undefined ? new Promise((resolve) => this.#ended.push(resolve)) : Promise.resolve(first);
  }

  /** Events that somebody listens to. */
  get listened(): readonly string[] {
    return this.eventNames().map(String);
  }

  #end(end: number | string): void {
    this.ends.push(end);
    for (const resolve of this.#ended.splice(0)) resolve(end);
  }
}
