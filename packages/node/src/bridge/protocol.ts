/** What a pool and its threads say to each other. A thread has one call at a time, so messages carry no number. */
import type { Uncloneable } from './cloneable.ts';
import type { PackedError } from './packed-error.ts';

/** What a thread is born with. */
export interface ThreadData {
  /** The module whose functions it runs. */
  readonly url: string;
  /** What the thread is called. */
  readonly name: string;
  /** First argument of the module's `setup`. */
  readonly setupData: unknown;
}

/** To a thread: run a function of the module; without a name, just answer; `end`: clean up and say when. */
export type Order = readonly [fn: string | undefined, args: readonly unknown[]] | 'end';

/** From a thread. `ready` and `unready` come once and first. */
export type Reply =
  | { readonly kind: 'ready'; readonly cleans: boolean }
  | { readonly kind: 'unready'; readonly error: PackedError }
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: PackedError }
  | { readonly kind: 'uncloneable'; readonly found: Uncloneable }
  | { readonly kind: 'ended'; readonly error: PackedError | undefined };
