/** A replica without Holdfast that listens, as the strategies see it. */
import type { Server } from 'node:http';

/** A server, and what ends it. */
export interface Started {
  readonly server: Server;
  /** Closes it as its framework does, and then waits until what it accepted has been processed. */
  readonly close: () => Promise<void>;
  /** What is left to do once the server itself has been closed by others. */
  readonly cleanUp: () => Promise<void>;
}
