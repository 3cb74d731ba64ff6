/** Puts a service in charge of its process: signals shut it down, and its outcome is the exit code. */
import type { Service } from '@holdfast/core';
import type { HostProcess } from './host-process.ts';
import { processSettings, type ProcessOptions } from './process-options.ts';
import { ownerOf } from './signal-owner.ts';

/**
 * Shuts `service` down on SIGTERM, SIGINT, SIGHUP, SIGBREAK, on the message `'shutdown'` of a parent process and when the event
 * loop is empty; when the last service of the process has stopped, the process ends. The same signal again within half a second
 * counts once; a later SIGINT cancels what is in flight, one more flushes and ends with 130; a repeated SIGTERM is ignored.
 * Exit codes: clean 0, failed or leaked 1, timed out 124, forced 128 + the signal's number. Disposing the handle lets go.
 *
 * @throws TypeError, RangeError on bad options.
 *
 * @example
 * handleSignals(service);
 * await service.start();
 */
export function handleSignals(service: Service, options: ProcessOptions = {}): Disposable {
  return handleSignalsOf(process, service, options);
}

/** As `handleSignals`, for a process that is given. */
export function handleSignalsOf(host: HostProcess, service: Service, options: ProcessOptions): Disposable {
  return ownerOf(host).add(service, processSettings(options));
}
