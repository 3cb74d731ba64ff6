/**
 * `npm run simulate:rolling-update`: builds what is needed and restarts replicas under load, with Holdfast and with its peers.
 * `npm run simulate:rolling-update -- --restarts 5 --server express --strategy holdfast` does less; a wrong option lists them all.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { run } from './command.mjs';
import { root } from './workspaces.mjs';

bootstrap();

const built = await run('turbo run build --filter=@holdfast-app/rolling-update', root);
if (built.status !== 0) {
  console.error(built.output.trimEnd());
  process.exit(1);
}

const args = process.argv.slice(2);
const main = join(root, 'apps', 'rolling-update', 'dist', 'main.js');
const { status } = spawnSync(process.execPath, [main, ...args], { stdio: 'inherit' });
if (args.includes('--record')) await run('oxfmt docs/rolling-updates.md', root);
process.exitCode = status ?? 1;
