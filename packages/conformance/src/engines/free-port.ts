/**
 * A port of 127.0.0.1 that nobody listens on. It lies below the range from which clients get theirs, so that none of them takes it
 * while its server is down.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';

const LOWEST = 20_000;
const HIGHEST = 32_000;

/** Finds a port. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return port;
    } catch {
      // taken: another one
    } finally {
      server.close();
    }
  }
}
