/** What a `sqlite:` URL says: a file, relative to the working directory or absolute, and how safe a commit is. */
import { resolve } from 'node:path';

/** Where the database is, and how it is used. */
export interface Location {
  /** Absolute path of the file. */
  readonly path: string;
  /** `full` makes each commit survive a loss of power, at the price of a flush to disk. */
  readonly synchronous: 'normal' | 'full';
}

/**
 * Reads a URL such as `sqlite:./data/jobs.db` or `sqlite:///var/lib/jobs.db?synchronous=full`.
 *
 * @throws RangeError where it names no file, or has a parameter that is not known.
 */
export function readLocation(url: URL): Location {
  const file = decodeURIComponent(url.pathname);
  if (url.host !== '')
    throw outOfRange(`without a host; an absolute path has three slashes: sqlite:///${url.host}…`);
  if (file === '' || file === '/' || file === ':memory:')
    throw outOfRange('the path of a file; for a queue in memory use memory:');
  let synchronous: Location['synchronous'] = 'normal';
  for (const [name, value] of url.searchParams) {
    if (name !== 'synchronous' || (value !== 'normal' && value !== 'full'))
      throw outOfRange(
        `without parameters but synchronous=normal and synchronous=full, not ${name}=${value}`,
      );
    synchronous = value;
  }
  return { path: resolve(file), synchronous };
}

function outOfRange(expected: string): RangeError {
  return Object.assign(new RangeError(`a sqlite: URL must be ${expected}`), { code: 'ERR_OUT_OF_RANGE' });
}
