/** A process that forwards an outbox to queue `mails` in a file, until it is killed, or kills itself at the worst moment. */
import { JobQueue, subscribe } from '@holdfast/core';
import { PostgresOutbox, SqliteOutbox } from '@holdfast/jobs';
import { sqlite } from '@holdfast/jobs-sqlite';
import { DatabaseSync } from '@photostructure/sqlite';
import { Pool } from 'pg';

/** @type {{ file?: string, postgres?: string, jobs: string, dies: boolean, leaseMs: number }} */
const { file, postgres, jobs, dies, leaseMs } = JSON.parse(process.argv[2] ?? '');
subscribe(() => {});
const queue = new JobQueue({ name: 'mails', url: jobs, engines: [sqlite] });
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
