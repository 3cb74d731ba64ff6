/** NATS with JetStream. */
import { findBinary } from './find-binary.ts';
import type { ServerKind } from './server-kind.ts';
import { ServerProcess } from './server-process.ts';

const find = (): string | undefined => findBinary('nats-server', ['/usr/sbin', '/usr/local/bin']);

/** `nats-server`. */
export const natsServer: ServerKind = {
  name: 'nats',
  binary: 'nats-server',
  debianPackage: 'nats-server',
  variable: 'HOLDFAST_TEST_NATS_URL',
  found: () => find() !== undefined,
  async start(args = []) {
    const program = find() ?? 'nats-server';
    const server = await ServerProcess.run({
      name: 'nats',
      ready: 'Server is ready',
      stopSignal: 'SIGKILL',
      command: (port, folder) => [
        program,
        '-a',
        '127.0.0.1',
        '-p',
        String(port),
        '-js',
        '-sd',
        folder,
        ...args,
      ],
    });
    return {
      url: `nats://127.0.0.1:${server.port}`,
      control: server,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};
