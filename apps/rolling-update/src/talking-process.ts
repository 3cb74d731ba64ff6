/** A program of this simulation in a process of its own, with which one talks in messages. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built file of a program; processes run what is built, also where this file runs from its source. */
export function program(name: string): string {
  return fileURLToPath(new URL(`../dist/${name}.js`, import.meta.url));
}

/** One that is told `Order`s and says `Word`s. */
export class TalkingProcess<Order extends object, Word extends object> {
  readonly #child: ChildProcess;

  constructor(name: string, args: readonly string[] = []) {
    this.#child = fork(program(name), args);
  }

  tell(order: Order): void {
    this.#child.send(order);
  }

  /** The next word that is the one; rejects where the process ends before it. */
  heard<W extends Word>(is: (word: Word) => word is W): Promise<W> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const done = (): void => {
        child.off('message', listen).off('exit', ended);
      };
      const listen = (word: unknown): void => {
        if (!is(word as Word)) return;
        done();
        resolve(word as W);
      };
      const ended = (code: number | null): void => {
        done();
        reject(new Error(`${child.spawnfile} ${child.spawnargs[1]} ended with ${code}`));
      };
      child.on('message', listen).once('exit', ended);
    });
  }

  /** Ends it, if it still runs. */
  end(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}
