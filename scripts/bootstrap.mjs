/**
 * Brings a checkout to where its tools run, on a machine that has only Node and npm. The pinned pnpm comes through npx, once;
 * it is also one of the locked dependencies, so from then on it is found in node_modules and nothing needs the registry.
 * Trap: an install is skipped when pnpm's own record of the last one equals the lockfile, so edit a manifest only with pnpm.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root, workspaces } from './workspaces.mjs';

/** @type {{ packageManager: string, engines: { node: string } }} */
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** The environment in which the repository's tools, pnpm among them, are on the PATH. */
export const toolEnv = {
  ...process.env,
  PATH: join(root, 'node_modules', '.bin') + delimiter + process.env['PATH'],
  TURBO_TELEMETRY_DISABLED: '1',
};

/** Installs the locked dependencies unless they are there already; ends the process, with one line, where it cannot. */
export function bootstrap() {
  // Loading ES modules with require is on by default exactly from the oldest releases that we support.
  if (!process.features.require_module) {
    fail(`Holdfast needs Node ${manifest.engines.node}; this is ${process.version}.`);
  }
  if (installed()) return;
  console.log(`installing dependencies with ${manifest.packageManager}`);
  const npx = `npx --yes -p ${manifest.packageManager} -c "pnpm install --frozen-lockfile"`;
  const { status } = spawnSync(npx, { cwd: root, stdio: 'inherit', shell: true });
  if (status !== 0) fail('The dependencies could not be installed; the first run needs the npm registry.');
}

function installed() {
  const recorded = read('node_modules/.pnpm/lock.yaml');
  const pnpm = read('node_modules/pnpm/package.json');
  return (
    recorded !== undefined &&
    recorded === read('pnpm-lock.yaml') &&
    pnpm !== undefined &&
    manifest.packageManager === `pnpm@${JSON.parse(pnpm).version}` &&
    workspaces().every(
      ({ directory, hasDependencies }) => !hasDependencies || existsSync(join(directory, 'node_modules')),
    )
  );
}

/** @param {string} path */
function read(path) {
  const file = join(root, path);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(1);
}
