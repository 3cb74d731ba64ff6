/**
 * A process that uses an engine as an application does. It says each step on a line of its own, and ends when it is killed, or when
 * nothing keeps it alive.
 */
import { JobQueue } from '@holdfast/core';

const { specifier, name, url, task, leaseMs, crashRedeliveryMs, blockMs, workMs, clockMs, concurrency } =
  JSON.parse(process.argv[2] ?? '');
if (clockMs !== undefined) shiftClock(clockMs);
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

/** Sets the clock of this process ahead, or back. @param {number} byMs */
function shiftClock(byMs) {
  const Real = Date;
  globalThis.Date = class extends Real {
    /** @param {[]} given */
    constructor(...given) {
      if (given.length === 0) super(Real.now() + byMs);
      else super(...given);
    }
    static now() {
      return Real.now() + byMs;
    }
  };
}

/** Says whether the engine lets this process in. */
async function open() {
  try {
    await queue.open();
  } catch (error) {
    say(`refused ${Reflect.get(Object(error), 'code')}`);
    process.exit(0);
  }
}

if (task === 'produce') {
  await open();
  for (let n = 0; ; n += 1) {
    const { id } = await queue.enqueue({ n }, { id: `produced-${n}` });
    say(`accepted ${id}`);
  }
} else if (task === 'delay') {
  await open();
  const { id } = await queue.enqueue('late', { delayMs: 1_000 });
  say(`accepted ${id}`);
  await queue[Symbol.asyncDispose]();
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
      if (workMs !== undefined) await new Promise((resolve) => setTimeout(resolve, workMs));
      if (task === 'block' || task === 'stall')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
      if (task === 'stall' && !signal.aborted)
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      say(`finished ${id} ${attempt}`);
    },
    { leaseMs, crashRedeliveryMs, concurrency },
  );
  await open();
  say('consuming');
}
