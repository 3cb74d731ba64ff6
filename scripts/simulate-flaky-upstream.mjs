/**
 * `npm run simulate:flaky-upstream`: drives a flaky upstream without Holdfast, with its peers, and with it.
 * `npm run simulate:flaky-upstream -- policy --seed 2` does less.
 */
import { runProgram } from './program.mjs';

await runProgram({
  workspace: '@holdfast/benchmarks',
  main: 'packages/benchmarks/dist/upstream/main.js',
});
