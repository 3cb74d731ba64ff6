import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { connectFile } from '../src/binding.ts';
import { temporaryFiles } from './folder.ts';

const newFile = temporaryFiles();
afterEach(() => void vi.restoreAllMocks());

/** Stands in for the built-in module, and warns as it does. */
class BuiltIn {
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
}

describe('connectFile', () => {
  it('takes the built-in module where there is one, and keeps back its warning alone', async () => {
    const heard = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    vi.spyOn(process, 'getBuiltinModule').mockImplementation(() => {
      process.emitWarning(
        'SQLite is an experimental feature and might change at any time',
        'ExperimentalWarning',
      );
      process.emitWarning('something else', 'ExperimentalWarning');
      return { DatabaseSync: BuiltIn };
    });
    const db = await connectFile('x.db');
    expect(db).toEqual(new BuiltIn('x.db'));
    expect(heard.mock.calls).toEqual([['something else', 'ExperimentalWarning']]);
    process.emitWarning('later');
    expect(heard).toHaveBeenLastCalledWith('later');
  });

  it('takes the package where there is none', async () => {
    vi.spyOn(process, 'getBuiltinModule').mockImplementation(() => undefined);
    const file = newFile();
    mkdirSync(dirname(file), { recursive: true });
    const db = await connectFile(file);
    expect(db.prepare('SELECT 1 AS one').get()).toEqual({ one: 1 });
    db.close();
  });
});
