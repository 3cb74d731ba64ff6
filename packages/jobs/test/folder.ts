/** A folder for the files of one test file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** Makes the folder, and removes it when the tests of the file are over. Returns a function that names one new file after the other. */
export function temporaryFiles(): () => string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-jobs-'));
  let files = 0;
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return () => join(folder, `${(files += 1)}.db`);
}
