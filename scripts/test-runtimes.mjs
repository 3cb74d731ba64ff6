/**
 * `npm run test:runtimes`: the tests of core on every runtime it is made for, one after the other, and the table of
 * docs/runtimes.md. The runtimes are npm packages, fetched through npx at the versions named here; workerd is a locked dependency.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { run } from './command.mjs';
import { testWorkspace } from './vitest-report.mjs';
import { root } from './workspaces.mjs';

bootstrap();

const core = { name: '@holdfast/core', directory: join(root, 'packages', 'core') };
const vitest = `"${join(root, 'node_modules', 'vitest', 'vitest.mjs')}"`;
const page = join(root, 'docs', 'runtimes.md');

/** @type {readonly { name: string, command: string }[]} */
const runtimes = [
  ...['20.20.2', '22.23.3', '24.21.0', '26.10.0'].map((version) => ({
    name: `Node ${version}`,
    command: `npx --yes -p node@${version} -- node ${vitest}`,
  })),
  { name: 'Bun 1.4.5', command: `npx --yes bun@1.4.5 --bun ${vitest}` },
  {
    name: 'Deno 2.9.6',
    command: `npx --yes deno@2.9.6 run -A --no-lock --node-modules-dir=manual ${vitest}`,
  },
  { name: `workerd ${workerdVersion()}`, command: 'vitest --config vitest.workers.config.ts' },
];

/** @type {string[]} */
const rows = ['| runtime | passed | failed | skipped |', '| --- | --- | --- | --- |'];
for (const { name, command } of runtimes) {
  process.stdout.write(name.padEnd(24));
  const { counts, output } = await testWorkspace(core, command);
  const { passed, failed, skipped } = counts;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  rows.push(`| ${name} | ${passed} | ${failed} | ${skipped} |`);
  if (failed === 0) continue;
  process.exitCode = 1;
  console.log(`\n${output.trimEnd()}\n`);
}

const text = readFileSync(page, 'utf8');
writeFileSync(page, text.replace(/^\|.*\n(?:\|.*\n)*/m, `${rows.join('\n')}\n`));
await run('oxfmt docs/runtimes.md', root);

/** The version of workerd that is locked; no package of ours can ask it itself. */
function workerdVersion() {
  return /^ {2}workerd@([\d.]+):/m.exec(readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8'))?.[1] ?? '';
}
