import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobEngineSuite } from '@holdfast/conformance';
import { sqlite } from '@holdfast/jobs-sqlite';
import { afterAll } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'));
let files = 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

jobEngineSuite('sqlite:', {
  engine: sqlite,
  url: () => `sqlite:${join(folder, `${(files += 1)}.db`)}`,
  importedFrom: { specifier: '@holdfast/jobs-sqlite', name: 'sqlite' },
});
