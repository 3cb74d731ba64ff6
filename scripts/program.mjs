/** Runs a program of this repository from the command line: sets the checkout up where needed, and builds what the program is made of. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { run } from './command.mjs';
import { root } from './workspaces.mjs';

/**
 * Gives `main` the arguments of this process, and this process the exit code of `main`.
 * @param {object} program
 * @param {string} program.workspace name of the workspace that it belongs to
 * @param {string} program.main its built file, from the root of the repository
 * @param {string} [program.page] what `--record` writes, from the root of the repository
 */
export async function runProgram({ workspace, main, page }) {
  bootstrap();
  const built = await run(`turbo run build --filter=${workspace}`, root);
  if (built.status !== 0) {
    console.error(built.output.trimEnd());
    process.exit(1);
  }
  const args = process.argv.slice(2);
  const { status } = spawnSync(process.execPath, [join(root, main), ...args], { stdio: 'inherit' });
  if (page !== undefined && args.includes('--record')) await run(`oxfmt ${page}`, root);
  process.exitCode = status ?? 1;
}
