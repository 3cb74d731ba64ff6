/** A process that forwards an outbox to a queue, until it is killed, or kills itself at the worst moment. */
import { JobQueue, subscribe } from '@holdfast/core';
import { PostgresOutbox, SqliteOutbox, loadEngines } from '@holdfast/jobs';
import { DatabaseSync } from '@photostructure/sqlite';
import { Pool } from 'pg';

/** @type {{ file?: string, postgres?: string, jobs: string, name: string, dies: boolean, leaseMs: number }} */
const { file, postgres, jobs, name, dies, leaseMs } = JSON.parse(process.argv[2] ?? '');
subscribe(() => {});
const queue = new JobQueue({ name, url: jobs, engines: await loadEngines(jobs) });
if (dies) {
  const enqueueMany = queue.enqueueMany.bind(queue);
  queue.enqueueMany = async (...args) => {
    await enqueueMany(...args);
    // the queue has the jobs, and the outbox has them still
    process.kill(process.pid, 'SIGKILL');
    return [];
  };
}
const options = { batchSize: 5, pollMs: 10, timeoutMs: leaseMs / 2, leaseMs };
if (file !== undefined) {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA busy_timeout = 2000');
  new SqliteOutbox({ name: 'mails' }).forward(queue, { db, ...options });
} else {
  const db = new Pool({ connectionString: postgres, max: 3 });
  new PostgresOutbox({ name: 'mails' }).forward(queue, { db, ...options });
}
process.stdout.write('forwarding\n');
