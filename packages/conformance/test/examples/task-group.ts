import {
  Deadline,
  TaskGroup,
  ResourceStack,
  managed,
  noRetry,
  retry,
  withTimeout,
  TimeoutError,
  isHoldfastError,
  CircuitBreaker,
  Semaphore,
  TaskManager,
} from '@holdfast/core';
declare function loadA(signal: AbortSignal): Promise<number>;
declare function loadB(signal: AbortSignal): Promise<string>;
class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const pair: [number, string] = await TaskGroup.run(
  async (group) => {
    const a = group.spawn((ctx) =>
      retry(
        ({ signal, attempt }) => (attempt > 2 ? Promise.reject(noRetry(new Error('x'))) : loadA(signal)),
        {
          ...ctx,
          maxRetries: 5,
          retryIf: [HttpError, TimeoutError],
        },
      ),
    );
    const b = group.spawn(({ signal }) => loadB(signal), { name: 'b', timeoutMs: 1_000 });
    return [await a, await b];
  },
  { timeoutMs: 5_000, deadline: Deadline.after(10_000) },
);
console.log(pair);

const breaker = new CircuitBreaker({ consecutiveFailures: 5, breakMs: 60_000 });
try {
  await breaker.execute(({ signal }) => loadA(signal));
} catch (error) {
  if (isHoldfastError(error, 'CIRCUIT_OPEN')) console.log(error.state, error.retryAfterMs);
}
const n: number = await withTimeout(({ signal }) => loadA(signal), { timeoutMs: 30_000 });
const tasks = new TaskManager();
for (const item of [1, 2]) tasks.spawn(async () => item * n);
const { leaked } = await tasks.waitAll({ timeoutMs: 30_000 });
const semaphore = new Semaphore({ maxConcurrent: 10 });
{
  using permit = await semaphore.acquire();
  void permit;
}
await using db = await managed(
  () => connect(),
  (c) => c.close(),
);
await db.value.query('select 1');
await ResourceStack.run(async (stack) => {
  const c = await stack.acquire(
    () => connect(),
    (x) => x.close(),
  );
  await c.query(String(leaked.length));
});
declare function connect(): Promise<{ query(sql: string): Promise<void>; close(): Promise<void> }>;
