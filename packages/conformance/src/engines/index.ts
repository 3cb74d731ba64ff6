/** The servers that queues run on, for programs that are no tests: how they are found, started, killed, and cut off. */
export { natsServer } from './nats-server.ts';
export { postgresServer } from './postgres-server.ts';
export { redisServer } from './redis-server.ts';
export type { EngineServer, ServerKind } from './server-kind.ts';
export type { ServerControl } from './server-process.ts';
export { startWatchdog, type Watchdog } from './watchdog.ts';
export { Wire } from './wire.ts';
