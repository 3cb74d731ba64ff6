/** Everything that a change must pass, in the order in which it runs. A gate is a tool's command or the tests of some workspaces. */
import { join } from 'node:path';
import { run } from './command.mjs';
import { testWorkspace } from './vitest-report.mjs';
import { root, workspaces } from './workspaces.mjs';

/**
 * What a gate found. `failed` is at least 1 when it is red; `output` is worth reading only then.
 * @typedef {import('./vitest-report.mjs').Counts & { output: string }} Outcome
 * @typedef {{ name: string, isSuite: boolean, check: () => Promise<Outcome> }} Gate
 */

const suites = new Map([
  ['@holdfast/conformance', 'conformance'],
  ['@holdfast-app/acceptance', 'acceptance'],
  ['@holdfast-app/rolling-update', 'acceptance'],
  ['@holdfast-app/chaos', 'acceptance'],
]);

/** @type {readonly Gate[]} */
export const gates = [
  tool('build', 'turbo run build'),
  tool('types', 'tsc -p tsconfig.json && turbo run typecheck'),
  tool('lint', 'oxlint --type-aware --deny-warnings'),
  tool('format', 'oxfmt --check'),
  tool('knip', 'knip'),
  tool('publint', 'turbo run check:publint'),
  tool('attw', 'turbo run check:attw'),
  tool('size', 'size-limit', join(root, 'packages', 'core')),
  suite('unit'),
  suite('conformance'),
  suite('acceptance'),
];

/**
 * What the suites have in short, in full; `npm test -- --long` runs them after the gates. Each is a program that the build has made,
 * counts as one, and fails by its exit code. Together they take about a quarter of an hour.
 * @type {readonly Gate[]}
 */
export const longForms = [
  longForm('rolling', 'node apps/rolling-update/dist/main.js --strategy holdfast'),
  longForm('chaos', 'node apps/chaos/dist/main.js --events 5000'),
  longForm('upstream', 'node packages/benchmarks/dist/upstream/main.js'),
  longForm('stress', 'node scripts/stress.mjs --times 3 core'),
];

/**
 * @param {string} name
 * @param {string} command
 * @returns {Gate}
 */
function longForm(name, command) {
  const { check, ...rest } = tool(name, command);
  return {
    ...rest,
    async check() {
      const outcome = await check();
      return { ...outcome, passed: 1 - outcome.failed };
    },
  };
}

/**
 * @param {string} name
 * @param {string} command
 * @param {string} [cwd]
 * @returns {Gate}
 */
function tool(name, command, cwd = root) {
  return {
    name,
    isSuite: false,
    async check() {
      const { status, output } = await run(command, cwd);
      return { passed: 0, failed: status === 0 ? 0 : 1, skipped: 0, skips: new Map(), output };
    },
  };
}

/**
 * One workspace after the other: suites that measure order and time are not made to compete for the machine.
 * @param {string} name
 * @returns {Gate}
 */
function suite(name) {
  return {
    name,
    isSuite: true,
    async check() {
      /** @type {Outcome} */
      const total = { passed: 0, failed: 0, skipped: 0, skips: new Map(), output: '' };
      for (const workspace of workspaces()) {
        if (!workspace.hasTests || (suites.get(workspace.name) ?? 'unit') !== name) continue;
        const { counts, output } = await testWorkspace(workspace);
        total.passed += counts.passed;
        total.failed += counts.failed;
        total.skipped += counts.skipped;
        for (const [reason, count] of counts.skips)
          total.skips.set(reason, (total.skips.get(reason) ?? 0) + count);
        if (counts.failed > 0) total.output += output;
      }
      return total.passed + total.failed > 0 ? total : { ...total, failed: 1, output: 'no test ran' };
    },
  };
}
