/** Builds core and node where a source is newer than the build: threads and child processes run plain JavaScript. */
import { execSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packages = fileURLToPath(new URL('../../', import.meta.url));
const tools = fileURLToPath(new URL('../../../node_modules/.bin', import.meta.url));

function newest(directory: string): number {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
  return Math.max(
    ...entries
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );
}

function builtAt(directory: string): number {
  return statSync(join(directory, 'dist', 'index.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

export function setup(): void {
  for (const name of ['core', 'node']) {
    const directory = join(packages, name);
    if (newest(join(directory, 'src')) > builtAt(directory)) {
      const env = { ...process.env, PATH: `${tools}${delimiter}${process.env['PATH'] ?? ''}` };
      execSync('tsc -p tsconfig.build.json', { cwd: directory, env, stdio: 'inherit' });
    }
  }
}
