/**
 * @godaddy/terminus, as its README has it: the clean-up in `onSignal`; and with what it recommends on Kubernetes, a delay in
 * `beforeShutdown` and exit code 0.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createTerminus } from '@godaddy/terminus';
import type { Started } from './started.ts';

/** Ends the replica on SIGTERM. */
export function terminus({ server, cleanUp }: Started): void {
  createTerminus(server, { timeout: 1_000, onSignal: cleanUp });
}

/** Ends the replica on SIGTERM, after `delayMs` in which it serves on. */
export function terminusWithDelay({ server, cleanUp }: Started, delayMs: number): void {
  createTerminus(server, {
    timeout: 1_000,
    useExit0: true,
    beforeShutdown: () => sleep(delayMs),
    onSignal: cleanUp,
  });
}
