/**
 * `npm run simulate:rolling-update`: restarts replicas under load, with Holdfast and with its peers.
 * `npm run simulate:rolling-update -- --restarts 5 --server express --strategy holdfast` does less; a wrong option lists them all.
 */
import { runProgram } from './program.mjs';

await runProgram({
  workspace: '@holdfast-app/rolling-update',
  main: 'apps/rolling-update/dist/main.js',
  page: 'docs/rolling-updates.md',
});
