/**
 * Redis, set up as a queue needs it: with its log of commands, and never forgetting for want of memory. The log is flushed before each
 * answer: flushed every second, it is not even written while the last flush goes on, and a kill loses what was answered meanwhile.
 */
import { findBinary } from './find-binary.ts';
import type { ServerKind } from './server-kind.ts';
import { ServerProcess } from './server-process.ts';

const find = (): string | undefined => findBinary('redis-server', ['/usr/bin', '/usr/local/bin']);

/** `redis-server`. */
export const redisServer: ServerKind = {
  name: 'redis',
  binary: 'redis-server',
  debianPackage: 'redis-server',
  variable: 'HOLDFAST_TEST_REDIS_URL',
  found: () => find() !== undefined,
  async start(args = []) {
    const program = find() ?? 'redis-server';
    const server = await ServerProcess.run({
      name: 'redis',
      ready: 'Ready to accept connections',
      stopSignal: 'SIGKILL',
      command: (port, folder) => [
        program,
        '--bind',
        '127.0.0.1',
        '--port',
        String(port),
        '--dir',
        folder,
        '--save',
        '',
        '--appendonly',
        'yes',
        '--appendfsync',
        'always',
        '--maxmemory-policy',
        'noeviction',
        ...args,
      ],
    });
    return {
      url: `redis://127.0.0.1:${server.port}`,
      control: server,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};
