/** close-with-grace, as its README has it: a limit, and a function that closes the server. */
import closeWithGrace from 'close-with-grace';
import type { Started } from './started.ts';

/** Ends the replica on SIGTERM, after `delay` milliseconds at the latest. */
export function closeGracefully({ close }: Started, delay: number): void {
  closeWithGrace({ delay, logger: false }, async ({ err }) => {
    if (err) console.error(err);
    await close();
  });
}
