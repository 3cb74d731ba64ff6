/**
 * A whole program without HTTP in one call: signals, start, its work, shutdown, exit code. The work is told to stop by its signal
 * when the shutdown begins, and is waited for like any task of the service.
 */
import { isHoldfastError, type Service, type ShutdownReport, type Work } from '@holdfast/core';
import {
  MAX_TIMER_MS,
  checkOptionalFunction,
  controlOf,
  createContext,
  executionOf,
  linkAbort,
} from '@holdfast/core/internal';
import type { HostProcess } from './host-process.ts';
import { processSettings, type ProcessOptions } from './process-options.ts';
import { ownerOf } from './signal-owner.ts';

/**
 * Starts `service`, runs `main`, and shuts the service down when that has ended, or when a signal says so; without `main`, when a
 * signal says so. `main` gets a signal that aborts when the shutdown begins. Resolves with the report once all is over, a moment
 * before the process ends; an error of the start or of `main` is printed, is in the report, and makes the exit code 1.
 *
 * @throws TypeError, RangeError on bad options (as rejections).
 *
 * @example
 * await runMain(service, async ({ signal }) => {
 *   while (!signal.aborted) await poll(signal);
 * });
 */
export async function runMain(
  service: Service,
  main?: Work<void>,
  options: ProcessOptions = {},
): Promise<ShutdownReport> {
  return runMainOf(process, service, main, options);
}

/** As `runMain`, in a process that is given. */
export async function runMainOf(
  host: HostProcess,
  service: Service,
  main: Work<void> | undefined,
  options: ProcessOptions,
): Promise<ShutdownReport> {
  checkOptionalFunction('main', main);
  ownerOf(host).add(service, processSettings(options));
  try {
    await service.start();
  } catch (error) {
    if (!isHoldfastError(error, 'SHUTTING_DOWN')) console.error(error);
    return service.shutdown();
  }
  const begins = service.signalAt('lame-duck');
  if (!begins.aborted) {
    if (main !== undefined) void run(service, main);
    await aborted(begins);
  }
  return service.shutdown();
}

async function run(service: Service, main: Work<void>): Promise<void> {
  const begins = service.signalAt('lame-duck');
  const work: Work<void> = (ctx) => main(createContext({ signal: begins }, undefined, executionOf(ctx)));
  try {
    await service.tasks.spawn(work, { name: 'main', onError: () => {} });
    await service.shutdown({ cause: 'main' });
  } catch (error) {
    if (begins.aborted && isAbort(error, begins.reason)) return;
    console.error(error);
    if (begins.aborted) failHook(service, error);
    else await controlOf(service).shutdown({ cause: 'main', fatal: { name: 'main', error } });
  }
}

/** Whether work that was told to stop ended by that. */
function isAbort(error: unknown, reason: unknown): boolean {
  const isOurs = isHoldfastError(error, 'SHUTTING_DOWN');
  return isOurs || error === reason || (error instanceof Error && error.name === 'AbortError');
}

/** Puts an error into the report of a shutdown that goes on, as far as it still takes one. */
function failHook(service: Service, error: unknown): void {
  try {
    service.onShutdown('main', () => Promise.reject(error));
  } catch {
    // the report is closed; the error was printed
  }
}

/** Resolves when `signal` aborts; until then the process stays alive. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, MAX_TIMER_MS);
    linkAbort(signal, {
      onAbort: () => {
        clearInterval(alive);
        resolve();
      },
    });
  });
}
