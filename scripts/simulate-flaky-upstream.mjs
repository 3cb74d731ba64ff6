/**
 * `npm run simulate:flaky-upstream`: sets the checkout up where needed, builds, and drives a failing upstream at load without
 * Holdfast, with its peers and with it. What is said after `--` goes to packages/benchmarks/src/upstream/main.ts.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { run } from './command.mjs';
import { root } from './workspaces.mjs';

bootstrap();

const { status, output } = await run('turbo run build --filter=@holdfast/benchmarks', root);
if (status === 0) {
  const main = join(root, 'packages', 'benchmarks', 'dist', 'upstream', 'main.js');
  process.exitCode =
    spawnSync(process.execPath, [main, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1;
} else {
  console.error(output);
  process.exitCode = 1;
}
