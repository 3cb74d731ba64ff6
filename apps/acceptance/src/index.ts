/**
 * Black-box tests: start an app as a child process, use it over HTTP, signal it, kill it, count.
 */
export {};
