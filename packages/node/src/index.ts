/**
 * Holdfast on Node: signals, draining HTTP servers, and synchronous code off the event loop.
 */

// threads
export { bridge, type Bridge, type Bridged, type WorkerPoolOptions } from './bridge/bridge.ts';
export type { PoolCallOptions } from './bridge/pool-call.ts';
