/** One sentence that holds for every adapter, and the test that says so. */
import type { Service } from '@holdfast/core';
import type { Framework, RunningServer, ServerOptions } from './framework.ts';

/** A test that all frameworks share. */
export interface Case {
  readonly sentence: string;
  readonly run: (framework: Framework) => Promise<void>;
}

/** A server that is shut down at the end of its block. */
export interface TestServer extends RunningServer, AsyncDisposable {}

/** Starts a server for one test. Shutdown takes no longer than its test needs. */
export async function serve(
  framework: Framework,
  options: Omit<ServerOptions, 'service'> & {
    readonly service?: Partial<ServerOptions['service']> | undefined;
  },
): Promise<TestServer> {
  const { service, ...rest } = options;
  const server = await framework.start({
    ...rest,
    service: { name: 'conformance', shutdown: { budgetMs: 2_000 }, ...service },
  });
  return { ...server, [Symbol.asyncDispose]: () => stop(server.service) };
}

async function stop(service: Service): Promise<void> {
  await service.shutdown({ cause: 'end of test' });
}

/** A promise with its resolver: how tests wait for events instead of for time. */
export interface Gate<T = void> {
  readonly opened: Promise<T>;
  open(value: T): void;
}

/** Makes a gate. */
export function gate<T = void>(): Gate<T> {
  let resolve: ((value: T) => void) | undefined;
  const opened = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { opened, open: (value) => resolve?.(value) };
}

/** The reason `signal` aborts with, once it does. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });
}
