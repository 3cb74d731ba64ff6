/**
 * What every replica does, whatever ends it: a request does some work, then hands an item to a bounded queue, which is processed
 * a little later and noted in the ledger. The note is written synchronously, so what it says has happened, even before SIGKILL.
 */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How many items a replica's queue holds. */
export const CAPACITY = 1_000;

/** How many items a replica processes at once; more than its requests can bring. */
export const CONCURRENCY = 40;

/** What is posted. */
export interface Item {
  readonly id: string;
}

/** The work of a request, before it accepts an item. */
export async function beforeAccepting(): Promise<void> {
  await sleep(between(5, 15));
}

/** Makes what processes an item and notes it in the file `ledger`. */
export function processor(ledger: string): (id: string) => Promise<void> {
  const file = openSync(ledger, 'a');
  return async (id) => {
    await sleep(between(10, 30));
    writeSync(file, `${id}\n`);
  };
}

function between(least: number, most: number): number {
  return least + Math.random() * (most - least);
}
