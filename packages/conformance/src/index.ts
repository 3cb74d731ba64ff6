/**
 * The suites that every adapter, queue engine and runtime must pass.
 */
export { conformance, httpCases } from './http/conformance.ts';
export type { Case } from './http/case.ts';
export {
  parseRoute,
  type Call,
  type Framework,
  type Handler,
  type Reply,
  type Routes,
  type RunningServer,
  type ServerOptions,
} from './http/framework.ts';
export { Gate, eventually, type EngineCase, type EngineUnderTest } from './jobs/engine-under-test.ts';
export { jobEngineCases, jobEngineSuite } from './jobs/job-engine-suite.ts';
export { natsServer } from './engines/nats-server.ts';
export { onServer, type ServerInUse } from './engines/on-server.ts';
export { postgresServer } from './engines/postgres-server.ts';
export { redisServer } from './engines/redis-server.ts';
export type { EngineServer, ServerKind } from './engines/server-kind.ts';
export { Wire } from './engines/wire.ts';
export type { ServerControl } from './engines/server-process.ts';
