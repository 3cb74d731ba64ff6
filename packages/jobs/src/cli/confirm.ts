/** Asks before something that cannot be taken back. */
import { createInterface } from 'node:readline/promises';
import { UsageError } from './usage-error.ts';

/** Where people read and type, if they do. */
export interface People {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/**
 * Resolves where somebody said yes, beforehand or now.
 *
 * @throws UsageError where nobody is there to ask, Error where the answer is no (as rejections).
 */
export async function confirm(what: string, yes: boolean, people: People = process): Promise<void> {
  if (yes) return;
  const { stdin, stderr } = people;
  if (stdin.isTTY !== true || stderr.isTTY !== true) throw new UsageError(`to ${what}, add --yes`);
  const terminal = createInterface({ input: stdin, output: stderr });
  try {
    const leaving = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    const answer = await Promise.race([terminal.question(`${what}? [y/N] `), leaving]);
    if (!/^y(es)?$/iu.test(answer.trim())) throw new Error('nothing was done');
  } finally {
    terminal.close();
  }
}
