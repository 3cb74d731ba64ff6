/** Where a task was spawned, for those who read its failure later: an error alone rarely says who started the work. */

type CaptureStackTrace = (target: object, below: unknown) => void;

/** The stack of whoever called the function that makes one; it is made readable only when somebody reads it. */
export class SpawnStack {
  readonly #holder: { stack?: string | undefined } = {};

  constructor() {
    const capture = Reflect.get(Error, 'captureStackTrace') as CaptureStackTrace | undefined;
    if (capture === undefined) this.#holder = new Error('spawned');
    else capture(this.#holder, SpawnStack);
  }

  /** The frames, innermost first, one a line. */
  toString(): string {
    const lines = (this.#holder.stack ?? '').split('\n');
    return lines
      .filter((line) => line.startsWith('    at ') || line.includes('@'))
      .slice(1)
      .join('\n');
  }
}
