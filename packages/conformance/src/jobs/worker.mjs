/**
 * A process that uses an engine as an application does. It says each step on a line of its own, and ends when it is killed, or when
 * nothing keeps it alive.
 */
import { JobQueue } from '@holdfast/core';

const { specifier, name, url, task, leaseMs, crashRedeliveryMs, blockMs, concurrency } = JSON.parse(
  process.argv[2] ?? '',
);
const { [name]: engine } = await import(specifier);
const queue = new JobQueue({
  name: 'jobs',
  url,
  engines: [engine],
  retry: { maxRetries: 2, baseDelayMs: 1 },
});

/** @param {string} text */
function say(text) {
  process.stdout.write(`${text}\n`);
}

if (task === 'produce') {
  for (let n = 0; ; n += 1) {
    const { id } = await queue.enqueue({ n }, { id: `produced-${n}` });
    say(`accepted ${id}`);
  }
} else if (task === 'visit') {
  const done = new Promise((resolve) => queue.consume(resolve));
  await queue.enqueue('soon');
  await queue.enqueue('late', { delayMs: 60_000 });
  await done;
  await queue[Symbol.asyncDispose]();
  say('disposed');
} else {
  queue.consume(
    async (_payload, { id, attempt, signal }) => {
      signal.addEventListener('abort', () =>
        say(`aborted ${id} ${Reflect.get(Object(signal.reason), 'code')}`),
      );
      say(`started ${id} ${attempt}`);
      if (task === 'hang') await new Promise((resolve) => setTimeout(resolve, 60_000));
      if (task === 'die') process.kill(process.pid, 'SIGKILL');
      if (task === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
      say(`finished ${id} ${attempt}`);
    },
    { leaseMs, crashRedeliveryMs, concurrency },
  );
  await queue.open();
  say('consuming');
}
