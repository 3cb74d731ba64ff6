/** The packages and apps of this repository, read from their manifests. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root directory. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** Every workspace: its name, its directory, and whether it has dependencies and tests of its own. */
export function workspaces() {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group))
      .map((entry) => join(root, group, entry))
      .filter((directory) => existsSync(join(directory, 'package.json')))
      .map((directory) => {
        const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
        return {
          /** @type {string} */
          name: manifest.name,
          directory,
          hasDependencies: Boolean(manifest.dependencies ?? manifest.devDependencies),
          hasTests: Boolean(manifest.scripts?.test),
        };
      }),
  );
}
