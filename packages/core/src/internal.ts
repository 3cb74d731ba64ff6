/**
 * The floor that sibling packages build on: the door, execution records, abort links, option checks. Not public: it may change
 * in any release, and nothing outside `@holdfast/*` should import it.
 */
export { ADOPT, type Adoptable, type Door } from './component.ts';
export { isRefusal } from './errors/brand.ts';
export { Refusal } from './errors/holdfast-error.ts';
export { emit, observed } from './events/bus.ts';
export { encodePayload } from './jobs/encoding.ts';
export { jobBehind } from './jobs/job-context.ts';
export { UNLIMITED_RETRIES, failureOf, isFinal, maxRetriesOf } from './jobs/outcome.ts';
export {
  MAX_TIMER_MS,
  checkBetween,
  checkBoolean,
  checkDelayMs,
  checkFunction,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptionalFunction,
  checkOptions,
  checkRate,
  checkTimeoutMs,
  invalidType,
  outOfRange,
} from './options/checks.ts';
export { Faults } from './queue/faults.ts';
export {
  captureContext,
  keepShape,
  notify,
  now,
  reportError,
  reportErrorsTo,
  type RunInContext,
} from './runtime.ts';
export { linkAbort, unlinkAbort, type AbortListener } from './signal/abort-links.ts';
export { call, type CallLimits } from './signal/call.ts';
export { earliest } from './signal/deadline.ts';
export { EXECUTION, Execution, executionOf } from './signal/execution.ts';
export { IdleLine, type CountLeft } from './signal/idle-line.ts';
export { LazyAbort } from './signal/lazy-abort.ts';
export { WaitLine, Waiter, checkWaitOptions } from './signal/wait-line.ts';
export { checkCallOptions, createContext, extendContext, type SignalSource } from './signal/work-context.ts';
export { DEADLINE_HEADER, REQUEST_ID_HEADER, inboundScope, type InboundScope } from './http/inbound.ts';
export { CONTROL, controlOf, type Controllable, type ServiceControl } from './service/control.ts';
export type { ShutdownTrigger } from './service/shutdown.ts';
export { markLate, pastTheDoor } from './http/late.ts';
