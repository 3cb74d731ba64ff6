/**
 * Holdfast on Node: signals, draining HTTP servers, and synchronous code off the event loop.
 */

// process
export { doctor, type Diagnosis, type DoctorOptions, type Finding } from './process/doctor.ts';
export { handleSignals } from './process/handle-signals.ts';
export type { ProcessOptions, WatchdogOptions } from './process/process-options.ts';
export { runMain } from './process/run-main.ts';

// servers
export { closeWebSockets, type ClosableSocket, type SocketHolder } from './http/close-web-sockets.ts';
export { drainServer, type AnyServer, type DrainServerOptions } from './http/drain-server.ts';
export { eventStream, type EventStream, type ServerSentEvent } from './http/event-stream.ts';
export type { ListenOptions } from './http/listen-server.ts';

// threads
export { bridge, type Bridge, type Bridged, type WorkerPoolOptions } from './bridge/bridge.ts';
export type { PoolCallOptions } from './bridge/pool-call.ts';

// event loop
export { LoopMonitor, type LoopMonitorOptions } from './loop/loop-monitor.ts';

// events
export { forwardEvents } from './events/forward-events.ts';
