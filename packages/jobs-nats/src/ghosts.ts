/**
 * Jobs that are done and lie in the stream all the same. A server that was killed remembers what its consumer has acknowledged, but
 * finds the messages on disk again: they are never delivered nor counted, and take space. Those below everything that is unfinished
 * are deleted, one by one. The trap: a purge would do it at once, and makes a server of version 2.9 forget the jobs that its consumer
 * still waits for.
 */
import type { Link } from './link.ts';
import { CODES, codeOf } from './nats-errors.ts';

/** Deletes all up to number `floor` of a stream; the number of the first message that is left, or would be the next. */
export async function deleteUpTo(link: Link, stream: string, floor: number): Promise<number> {
  const { manager } = link.client;
  for (;;) {
    const { state } = await link.ask(() => manager.streams.info(stream));
    const first = state.first_seq;
    // a stream that has lost its end numbers new jobs like those that were done
    if (state.messages === 0 || first > floor || floor > state.last_seq) return first;
    try {
      await link.ask(() => manager.streams.deleteMessage(stream, first, false));
    } catch (error) {
      // somebody else did it
      if (codeOf(error) !== CODES.messageNotDeleted) throw error;
    }
  }
}
