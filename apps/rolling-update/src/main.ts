/**
 * `npm run simulate:rolling-update`: every strategy on every server, one after the other, and what each cost. The exit code is 1
 * where Holdfast failed a request, lost an item, or did not end well; what the others do decides nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseOptions, usage, type Options } from './options.ts';
import { failures, lossless } from './result.ts';
import { simulate } from './simulate.ts';
import { report, type Simulated } from './table.ts';
import { where } from './where.ts';

/** What is below it in the documentation is written here. */
const FIGURES = '## Figures\n\n';

const { scenarios, record } = options();
const simulated: Simulated[] = [];
for (const scenario of scenarios) {
  const result = await simulate(scenario);
  simulated.push({ scenario, result });
  const { requests, lost, longestMs } = result;
  console.error(
    `${scenario.server} ${scenario.strategy}: ${failures(result)} of ${requests} requests failed, ${lost} items lost, ` +
      `${(longestMs / 1_000).toFixed(1)} s, ${JSON.stringify(result.exits)}`,
  );
  if (scenario.strategy === 'holdfast' && !lossless(result)) process.exitCode = 1;
}

const text = report(simulated, where());
console.log(text);
if (record) {
  const page = new URL('../../../docs/rolling-updates.md', import.meta.url);
  const [prose] = readFileSync(page, 'utf8').split(FIGURES);
  writeFileSync(page, `${prose}${FIGURES}${text}\n`);
}

function options(): Options {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return process.exit(2);
  }
}
