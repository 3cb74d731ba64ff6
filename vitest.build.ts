/** Builds packages whose sources are newer than their build: threads and child processes run plain JavaScript. */
import { execSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packages = fileURLToPath(new URL('packages/', import.meta.url));
const tools = fileURLToPath(new URL('node_modules/.bin', import.meta.url));

function newest(directory: string): number {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
  return Math.max(
    ...entries
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );
}

/** A build writes all its files anew, so any of them tells when it was. */
function builtAt(directory: string): number {
  const dist = join(directory, 'dist');
  return existsSync(dist) ? newest(dist) : 0;
}

/** Builds these packages, in this order, where that is needed. */
export function buildStale(names: readonly string[]): void {
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env['PATH'] ?? ''}` };
  for (const name of names) {
    const directory = join(packages, name);
    if (newest(join(directory, 'src')) > builtAt(directory))
      execSync('tsc -p tsconfig.build.json', { cwd: directory, env, stdio: 'inherit' });
  }
}
