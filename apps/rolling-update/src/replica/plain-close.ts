/** What the documentation of Node's servers has: close on SIGTERM, then exit. */
import type { Started } from './started.ts';

/** Ends the replica on SIGTERM. */
export function plainClose({ close }: Started): void {
  process.once('SIGTERM', () => {
    void close().then(() => process.exit(0));
  });
}
