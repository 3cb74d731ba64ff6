/**
 * The sample service, a webhook relay: its domain, written once, without a framework. A wiring makes a relay, mounts its routes,
 * and runs.
 */
export { problem, type Answer } from './answer.ts';
export { type RelayConfig } from './environment.ts';
export { Relay, serviceOptions } from './relay.ts';
export { pathOf, requestOf, type RelayRequest } from './requests.ts';
export { type Route } from './routes.ts';
export { runRelay } from './run.ts';
