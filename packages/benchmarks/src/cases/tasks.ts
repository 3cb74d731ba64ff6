/** Background tasks that somebody keeps account of. */
import { TaskManager } from '@holdfast/core';
import type { Case, CaseAt } from '../case.ts';
import { python } from '../python.ts';

const ready = Promise.resolve();

/** Tracked tasks, all started at once and then waited for, beside asyncio's set of tasks with its done-callbacks. */
export const tracked: CaseAt = (operations): Case => ({
  name: `tracked tasks ${operations}`,
  work: `${operations} tasks that yield once, started one after the other, tracked until they end, and waited for.`,
  operations,
  contenders: [
    {
      name: 'TaskManager',
      async run() {
        const tasks = new TaskManager({ maxTasks: operations });
        let done = 0;
        for (let n = 0; n < operations; n += 1) {
          tasks.spawn(async () => {
            await ready;
            done += 1;
          });
        }
        await tasks.waitAll();
        if (done !== operations) throw new Error(`${done} of ${operations} tasks ended`);
      },
    },
    ...python('tasks', operations),
  ],
  demands: [],
});
