/**
 * Queues, tasks, retries, breakers, deadlines and shutdown that keep their promises. No dependency, any runtime.
 */
export {};
