/**
 * Holdfast on Node: signals, draining HTTP servers, and synchronous code off the event loop.
 */
export {};
