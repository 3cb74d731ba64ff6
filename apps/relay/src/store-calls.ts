/** What a batch of the store's operations asks for: one that only reads need not wait for anybody who writes. */
import type { StoreCall, StoreOperations } from './store.sync.ts';

const reading: ReadonlySet<string> = new Set<keyof StoreOperations>(['find', 'counts', 'backlog']);

/** Whether any of `calls` writes. */
export function writes(calls: readonly StoreCall[]): boolean {
  return calls.some(([operation]) => !reading.has(operation));
}
