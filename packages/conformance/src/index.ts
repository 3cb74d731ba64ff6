/**
 * The suites that every adapter, queue engine and runtime must pass.
 */
export {};
