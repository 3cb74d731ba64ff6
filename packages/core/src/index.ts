/**
 * Queues, tasks, retries, breakers, deadlines and shutdown that keep their promises. No dependency, any runtime.
 */

// vocabulary
export type {
  Component,
  ComponentHealth,
  DrainOptions,
  DrainReport,
  RequestCounts,
  ShutdownPhase,
  Stats,
} from './component.ts';
export type { AttemptContext, Awaitable, CallOptions, Work, WorkContext } from './signal/work-context.ts';
export { Deadline } from './signal/deadline.ts';
export { sleep } from './signal/sleep.ts';
export type { WaitOptions } from './signal/wait-line.ts';

// queue
export { BoundedQueue } from './queue/bounded-queue.ts';
export type { ConsumeErrorPolicy, ConsumeLoop, ConsumeOptions } from './queue/consume.ts';
export type { DropListener, DropReason } from './queue/drops.ts';
export type { HandleOptions, ItemContext, ItemHandler } from './queue/handle-item.ts';
export type { Envelope } from './queue/item.ts';
export type { ProduceErrorPolicy, ProduceOptions } from './queue/produce.ts';
export type { BoundedQueueOptions, Overflow } from './queue/queue-options.ts';
export type { TakeBatchOptions } from './queue/queue-calls.ts';
export type { QueueStats } from './queue/queue-stats.ts';
export type { QueueLoop } from './queue/queue-loop.ts';
export type { Source } from './queue/source.ts';

// tasks
export { TaskGroup, type ShieldOptions, type TaskGroupOptions } from './tasks/task-group.ts';
export type { SpawnOptions, TaskHandle, TaskState } from './tasks/task-handle.ts';
export {
  TaskManager,
  type TaskErrorHandler,
  type TaskFailure,
  type TaskManagerOptions,
  type TaskOptions,
  type TasksReport,
  type WaitAllOptions,
} from './tasks/task-manager.ts';

// concurrency
export { AdaptiveLimit, type AdaptiveLimitOptions } from './concurrency/adaptive-limit.ts';
export { Bulkhead, type BulkheadOptions } from './concurrency/bulkhead.ts';
export { KeyedLimit, type KeyedLimitOptions } from './concurrency/keyed-limit.ts';
export { Semaphore, type SemaphoreOptions } from './concurrency/semaphore.ts';

// batch
export type { BatchContext, BatchWork } from './batch/batch-items.ts';
export type { BatchOptions } from './batch/batch-run.ts';
export { Batcher, type BatcherOptions, type BulkWork } from './batch/batcher.ts';
export {
  runBatch,
  type BatchCancelled,
  type BatchError,
  type BatchResult,
  type BatchSuccess,
} from './batch/run-batch.ts';
export { streamBatch, type BatchOutcome } from './batch/stream-batch.ts';

// resources
export { managed, type AcquireOptions, type Managed, type Release } from './resources/managed.ts';
export type { ResourcePoolOptions } from './resources/pool-options.ts';
export { ResourcePool, type Lease } from './resources/resource-pool.ts';
export { ResourceStack } from './resources/resource-stack.ts';

// resilience
export { backoff, type Backoff, type BackoffOptions, type Jitter } from './resilience/backoff.ts';
export { CircuitBreaker } from './resilience/circuit-breaker.ts';
export type { CircuitBreakerOptions } from './resilience/circuit-options.ts';
export type { CircuitSnapshot } from './resilience/circuit-snapshot.ts';
export { Coalescer, type CoalescerOptions } from './resilience/coalescer.ts';
export type { ErrorClass, ErrorFilter } from './resilience/error-filter.ts';
export { hedge, type HedgeOptions } from './resilience/hedge.ts';
export { LatencyQuantile, type LatencyQuantileOptions } from './resilience/latency-quantile.ts';
export { RateLimiter, type RateLimiterOptions } from './resilience/rate-limiter.ts';
export { RetryBudget, type RetryBudgetOptions } from './resilience/retry-budget.ts';
export type { RetryEvent, RetryOptions } from './resilience/retry-options.ts';
export { retry, type RetryCallOptions } from './resilience/retry.ts';
export { withTimeout, type TimeoutOptions } from './resilience/timeout.ts';
export { noRetry, retryLater } from './resilience/verdicts.ts';

// policy
export { Policy, type FallbackOptions, type PolicyOptions } from './policy/policy.ts';

// jobs
export { DeadLetters } from './jobs/dead-letters.ts';
export type {
  DeadJob,
  DeadLetterStore,
  EnqueueResult,
  JobAdmission,
  JobCapabilities,
  JobDelivery,
  JobDriver,
  JobEngine,
  JobFailure,
  JobPriority,
  JobSubscribeOptions,
  ListDeadOptions,
  WireJob,
} from './jobs/engine.ts';
export type { EnqueueOptions, EnqueueWaitOptions, JobInput, JobOptions } from './jobs/enqueue.ts';
export type { JobConsumeOptions } from './jobs/job-consumer.ts';
export type { JobContext, JobHandler } from './jobs/job-context.ts';
export type { JobQueueOptions } from './jobs/job-options.ts';
export { JobQueue } from './jobs/job-queue.ts';

// service
export type { BackgroundOptions } from './service/background.ts';
export type { HealthReport, ServiceState } from './service/health-report.ts';
export type { HookReport, ShutdownContext, ShutdownHookOptions } from './service/hooks.ts';
export type { ShutdownPreset } from './service/phases.ts';
export type { ShutdownOutcome, ShutdownReport } from './service/report.ts';
export {
  currentScope,
  type OpenScopeOptions,
  type RequestScope,
  type ScopeHandle,
} from './service/request-scope.ts';
export { Service, type ServiceOptions, type ShutdownOptions } from './service/service.ts';
export {
  simulateShutdown,
  type SimulateOptions,
  type SimulatedShutdown,
  type SimulatedWork,
  type TimedWork,
} from './service/simulate-shutdown.ts';

// http
export { policyFetch, type PolicyFetchOptions } from './http/policy-fetch.ts';
export { healthHandler } from './http/health.ts';
export { toProblem, type Problem, type ProblemAnswer } from './http/problem.ts';

// events
export { logEvents, type Logger } from './events/log-events.ts';
export { subscribe, type EventListener, type HoldfastEvent } from './events/bus.ts';

// errors
export { CircuitOpenError, type CircuitState } from './errors/circuit-open-error.ts';
export { HoldfastError, type HoldfastCode, type HoldfastErrorOptions } from './errors/holdfast-error.ts';
export { HttpStatusError } from './errors/http-status-error.ts';
export { isHoldfastError, type HoldfastErrors } from './errors/is-holdfast-error.ts';
export {
  EngineUnavailableError,
  EnqueueTimeoutError,
  LeaseLostError,
  PayloadInvalidError,
  PayloadTooLargeError,
  UnsafeEngineError,
  UnsupportedError,
} from './errors/job-errors.ts';
export {
  DisconnectedError,
  ShuttingDownError,
  SiblingFailedError,
  TaskGroupClosedError,
  WorkerCrashedError,
} from './errors/lifecycle-errors.ts';
export {
  BulkheadFullError,
  OverloadedError,
  PoolFullError,
  RateLimitedError,
  TaskLimitError,
} from './errors/limit-errors.ts';
export { QueueClosedError, QueueFullError } from './errors/queue-errors.ts';
export { NoRetryError, RetryLaterError } from './errors/retry-errors.ts';
export { TimeoutError, type TimeoutKind } from './errors/timeout-error.ts';
