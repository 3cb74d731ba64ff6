/**
 * Fails a test during which the process emitted a warning (a leaked listener, a deprecation, an experimental API).
 * Warnings are emitted on a later tick, so each test is followed by one turn of the event loop.
 */
import { afterAll, afterEach } from 'vitest';

const turn: typeof setImmediate = setImmediate; // kept now: a test may leave fake timers behind
const warnings: Error[] = [];
process.on('warning', (warning) => warnings.push(warning));

async function rejectWarnings(): Promise<void> {
  await new Promise<void>((resolve) => turn(resolve));
  const [first, ...others] = warnings.splice(0);
  if (first !== undefined)
    throw new AggregateError([first, ...others], `process warning: ${first.message}`, { cause: first });
}

afterEach(rejectWarnings);
afterAll(rejectWarnings);
