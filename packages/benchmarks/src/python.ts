/**
 * The Python originals as contenders: asyncio, and uvloop where the system's Python has it. Python starts once a case and then
 * does one run for each line it is sent, so that neither its start nor its imports are in the figures.
 */
import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Contender } from './case.ts';

const interpreters = ['/usr/bin/python3', 'python3'];
const loops = ['asyncio', 'uvloop'];
const script = fileURLToPath(new URL('../python/run.py', import.meta.url));

/** One contender for each event loop that some Python on this machine has; none where there is no Python. */
export function python(work: string, operations: number): readonly Contender[] {
  return loops.flatMap((loop) => {
    const interpreter = interpreters.find((name) => spawnSync(name, ['-c', `import ${loop}`]).status === 0);
    return interpreter === undefined ? [] : [contender(interpreter, loop, work, operations)];
  });
}

function contender(interpreter: string, loop: string, work: string, operations: number): Contender {
  let original: Original | undefined;
  return {
    name: `Python ${loop}`,
    run() {
      original ??= new Original(interpreter, [script, loop, work, String(operations)]);
      return original.run();
    },
    close: () => original?.close(),
  };
}

class Original {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async run(): Promise<void> {
    this.#child.stdin.write('run\n');
    const { value } = await this.#answers.next();
    if (value !== 'done') throw new Error(`Python answered ${String(value)}`);
  }

  close(): void {
    this.#child.stdin.end();
  }
}
