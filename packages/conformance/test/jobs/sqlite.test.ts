import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobEngineSuite } from '@holdfast/conformance';
import { sqlite } from '@holdfast/jobs-sqlite';
import { afterAll } from 'vitest';
import { connectFile } from '../../../jobs-sqlite/src/binding.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'));
let files = 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

jobEngineSuite('sqlite:', {
  engine: sqlite,
  url: () => `sqlite:${join(folder, `${(files += 1)}.db`)}`,
  importedFrom: { specifier: '@holdfast/jobs-sqlite', name: 'sqlite' },
  spoil: async (url) => {
    const db = await connectFile(url.slice('sqlite:'.length));
    db.exec(`UPDATE holdfast_jobs SET body = '{"not'`);
    db.close();
  },
});
