/**
 * `npm test`: sets the checkout up where needed, runs every gate, and ends with the line `N passed, N failed`. The counts are
 * those of vitest's reports; a red gate that has no tests of its own adds one failure. All gates run even after a red one. What was
 * not run is said, and counted in the last line, also when everything is green. `npm test -- --long` runs the long forms as well,
 * as `.ci/run` does.
 */
import { bootstrap } from './bootstrap.mjs';
import { gates, longForms } from './gates.mjs';

const chosen = process.argv.includes('--long') ? [...gates, ...longForms] : gates;

bootstrap();

const total = { passed: 0, failed: 0, skipped: 0 };
/** @type {string[]} */
const red = [];

for (const gate of chosen) {
  process.stdout.write(gate.name.padEnd(12));
  const start = performance.now();
  const { passed, failed, skipped, skips, output } = await gate.check();
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  if (failed > 0) red.push(gate.name);
  const seconds = ((performance.now() - start) / 1_000).toFixed(1).padStart(6);
  const tests = gate.isSuite ? `   ${passed} of ${passed + failed} tests` : '';
  console.log(`${failed === 0 ? 'pass' : 'FAIL'} ${seconds} s${tests}`);
  if (failed > 0) console.log(`\n${output.trimEnd()}\n`);
  else if (gate.name === 'size') console.log(output.trimEnd());
  for (const [reason, count] of skips) console.log(`${reason}; ${count} cases not run`);
}

console.log(red.length === 0 ? `\nall ${chosen.length} gates are green` : `\nred: ${red.join(', ')}`);
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped === 0 ? '' : `, ${total.skipped} skipped`}`,
);
process.exitCode = total.failed === 0 ? 0 : 1;
