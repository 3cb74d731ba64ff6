/**
 * `npm run stress`: the tests again and again, since a test that fails one time in twenty is as wrong as one that always does. The
 * property tests draw another seed each time. `npm run stress -- --times 5 core conformance` names how often, and which workspaces;
 * `--only test/process` which files. `npm run test:nasty` is that for the processes that are signalled, blocked and cut off.
 */
import { parseArgs } from 'node:util';
import { bootstrap } from './bootstrap.mjs';
import { testWorkspace } from './vitest-report.mjs';
import { workspaces } from './workspaces.mjs';

const { values, positionals } = parseArgs({
  options: { times: { type: 'string', default: '20' }, only: { type: 'string' } },
  allowPositionals: true,
});
const times = Number(values.times);
const tested = workspaces().filter(({ hasTests }) => hasTests);
const chosen = tested.filter(
  ({ name }) => positionals.length === 0 || positionals.some((wanted) => name.split('/').includes(wanted)),
);
if (!Number.isInteger(times) || times < 1 || chosen.length === 0) {
  const names = tested.map(({ name }) => name.split('/')[1]).join(' ');
  console.error(`--times takes a whole number from 1 up, and workspaces are: ${names}`);
  process.exit(2);
}

bootstrap();

const total = { passed: 0, failed: 0, skipped: 0 };
for (const workspace of chosen) {
  let red = 0;
  for (let time = 1; time <= times; time += 1) {
    const { counts, output } = await testWorkspace(workspace, 'vitest', values.only);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (counts.failed === 0) continue;
    red += 1;
    console.log(`\n${output.trimEnd()}\n\n${workspace.name}: run ${time} of ${times} failed\n`);
  }
  console.log(`${workspace.name.padEnd(30)}${times - red} of ${times} runs are green`);
}

console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped === 0 ? '' : `, ${total.skipped} skipped`}`,
);
process.exitCode = total.failed === 0 ? 0 : 1;
