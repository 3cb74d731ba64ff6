/**
 * What runs inside each thread of a pool: loads the module, runs its `setup` once, then one call at a time. It imports as little
 * as it can, since every thread loads it anew. Every outcome is a message; only what the module does behind its own back (an
 * exception after its call, running out of memory) ends the thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { findUncloneable } from './cloneable.ts';
import { packError } from './packed-error.ts';
import type { Order, Reply, ThreadData } from './protocol.ts';

type Callee = (...args: readonly unknown[]) => unknown;

/** The module and, for a CommonJS module whose exports cannot be seen from outside, its default export. */
let sources: readonly object[] = [];
let cleanup: Callee | undefined;

function post(reply: Reply): void {
  parentPort?.postMessage(reply);
}

function find(name: string): Callee | undefined {
  for (const source of sources) {
    const found: unknown = Reflect.get(source, name);
    if (typeof found === 'function') return found as Callee;
  }
  return undefined;
}

function callee(name: string): Callee {
  const found = name === 'setup' ? undefined : find(name);
  if (found === undefined) throw new TypeError(`The module exports no function "${name}" to call`);
  return found;
}

function succeed(value: unknown): void {
  try {
    post({ kind: 'value', value });
  } catch {
    post({ kind: 'uncloneable', found: findUncloneable(value, 'result') });
  }
}

function fail(thrown: unknown): void {
  post({ kind: 'error', error: packError(thrown) });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'then') === 'function';
}

function obey(order: Order): void {
  if (order === 'end') {
    void end();
    return;
  }
  const [name, args] = order;
  try {
    const value = name === undefined ? undefined : callee(name)(...args);
    if (isThenable(value)) value.then(succeed, fail);
    else succeed(value);
  } catch (error) {
    fail(error);
  }
}

async function boot({ url, name, setupData }: ThreadData): Promise<void> {
  try {
    const module: { readonly default?: unknown } = await import(url);
    const whole = module.default;
    sources = typeof whole === 'object' && whole !== null ? [module, whole] : [module];
    const cleaner = await find('setup')?.(setupData, { thread: name });
    if (typeof cleaner === 'function') cleanup = cleaner as Callee;
    post({ kind: 'ready', cleans: cleanup !== undefined });
  } catch (error) {
    post({ kind: 'unready', error: packError(error) });
  }
}

async function end(): Promise<void> {
  try {
    await cleanup?.();
    post({ kind: 'ended', error: undefined });
  } catch (error) {
    post({ kind: 'ended', error: packError(error) });
  }
}

parentPort?.on('message', obey);
void boot(workerData as ThreadData);
