/**
 * Holdfast on Node: signals, draining HTTP servers, and synchronous code off the event loop.
 */

// process
export { handleSignals } from './process/handle-signals.ts';
export type { ProcessOptions } from './process/process-options.ts';
export { runMain } from './process/run-main.ts';

// servers
export { drainServer, type AnyServer, type DrainServerOptions } from './http/drain-server.ts';
export type { ListenOptions } from './http/listen-server.ts';

// threads
export { bridge, type Bridge, type Bridged, type WorkerPoolOptions } from './bridge/bridge.ts';
export type { PoolCallOptions } from './bridge/pool-call.ts';
