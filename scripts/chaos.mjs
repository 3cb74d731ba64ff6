/**
 * `npm run chaos`: builds what is needed, and kills the relay and its queue's engine, again and again, on each durable engine.
 * `npm run chaos -- --events 2000 --engine redis --seed 7` does less; an engine whose server is not installed is skipped by name.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { run } from './command.mjs';
import { root } from './workspaces.mjs';

bootstrap();

const built = await run('turbo run build --filter=@holdfast-app/chaos', root);
if (built.status !== 0) {
  console.error(built.output.trimEnd());
  process.exit(1);
}

const args = process.argv.slice(2);
const main = join(root, 'apps', 'chaos', 'dist', 'main.js');
const { status } = spawnSync(process.execPath, [main, ...args], { stdio: 'inherit' });
if (args.includes('--record')) await run('oxfmt docs/queues.md', root);
process.exitCode = status ?? 1;
