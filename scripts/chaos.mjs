/**
 * `npm run chaos`: kills the relay and its queue's engine, again and again, on each durable engine. `npm run chaos -- --events 2000
 * --engine redis --seed 7` does less; an engine whose server is not installed is skipped by name.
 */
import { runProgram } from './program.mjs';

await runProgram({
  workspace: '@holdfast-app/chaos',
  main: 'apps/chaos/dist/main.js',
  page: 'docs/queues.md',
});
