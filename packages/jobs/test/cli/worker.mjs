/** A process that consumes queue `mails`: what is bad is dead at once. */
import { JobQueue, noRetry, subscribe } from '@holdfast/core';
import { sqlite } from '@holdfast/jobs-sqlite';

subscribe(() => {});
const queue = new JobQueue({ name: 'mails', url: process.argv[2] ?? '', engines: [sqlite] });
queue.consume((payload, { id }) => {
  process.stdout.write(`started ${id}\n`);
  if (payload === 'bad') throw noRetry(new Error('bad'));
});
await queue.open();
process.stdout.write('consuming\n');
