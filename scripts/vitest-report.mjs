/**
 * Runs the tests of one workspace and counts them from vitest's own JSON report. What went wrong outside a test counts as a
 * failure too: a file that did not load, an error between tests, a process warning, a run that left no report.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run } from './command.mjs';
import { root } from './workspaces.mjs';

/**
 * `skips` says how many tests were skipped for which reason: a group of tests that is skipped has it in its name, after `SKIP`.
 * @typedef {{ passed: number, failed: number, skipped: number, skips: Map<string, number> }} Counts
 */

const reports = join(root, 'node_modules', '.cache', 'holdfast');
const processWarning = /^\(node:\d+\) .*Warning/m;

/**
 * @param {{ name: string, directory: string }} workspace
 * @param {string} [vitest] how to start it, for other runtimes than this one
 * @param {string} [only] part of the path of the files to run, where not all of them
 * @returns {Promise<{ counts: Counts, output: string }>}
 */
export async function testWorkspace({ name, directory }, vitest = 'vitest', only = '') {
  const file = join(reports, `${name.replace('/', '-')}.json`);
  mkdirSync(reports, { recursive: true });
  rmSync(file, { force: true });
  const reporters = `--reporter=default --reporter=json --outputFile.json="${file}"`;
  const { status, output } = await run(`${vitest} run ${only} ${reporters}`, directory);
  if (!existsSync(file)) {
    return {
      counts: { passed: 0, failed: 1, skipped: 0, skips: new Map() },
      output: `${output}\n${name}: vitest left no report\n`,
    };
  }
  const counts = count(JSON.parse(readFileSync(file, 'utf8')));
  if (counts.failed === 0 && (status !== 0 || processWarning.test(output))) counts.failed = 1;
  return { counts, output };
}

/**
 * Sums one report; a file that failed although none of its tests did counts as one failure.
 * @param {import('vitest/reporters').JsonTestResults} report
 * @returns {Counts}
 */
function count(report) {
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
    skips: reasons(report),
  };
}

/** @param {import('vitest/reporters').JsonTestResults} report */
function reasons(report) {
  /** @type {Map<string, number>} */
  const skips = new Map();
  for (const { name, assertionResults } of report.testResults)
    for (const { status, ancestorTitles } of assertionResults) {
      if (status !== 'skipped' && status !== 'todo') continue;
      const reason = ancestorTitles.find((title) => title.startsWith('SKIP ')) ?? `SKIP ${basename(name)}`;
      skips.set(reason, (skips.get(reason) ?? 0) + 1);
    }
  return skips;
}
