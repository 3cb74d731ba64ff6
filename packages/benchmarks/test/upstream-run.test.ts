/** One contender's process, as the program starts it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const main = fileURLToPath(new URL('../dist/upstream/main.js', import.meta.url));

it('ends when the program that waits for its figures is gone', async () => {
  const run = fork(main, ['--only', 'Policy'], { execArgv: [] });
  run.disconnect();
  expect(await once(run, 'exit')).toEqual([0, null]);
});
