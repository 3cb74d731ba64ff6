/** PostgreSQL with a cluster of its own. It refuses to be run by root, and is run as somebody else then. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findBinary } from './find-binary.ts';
import type { ServerKind } from './server-kind.ts';
import { ServerProcess, unprivilegedUser } from './server-process.ts';

const DEBIAN = '/usr/lib/postgresql';

/** The folder with both programs, of the newest version where there are several. */
function find(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const folders = versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => join(DEBIAN, version, 'bin'));
  const initdb = findBinary('initdb', folders);
  if (initdb === undefined) return undefined;
  const folder = dirname(realpathSync(initdb));
  return existsSync(join(folder, 'postgres')) ? folder : undefined;
}

/** `initdb` and `postgres`. */
export const postgresServer: ServerKind = {
  name: 'postgres',
  binary: 'postgres',
  debianPackage: 'postgresql',
  variable: 'HOLDFAST_TEST_POSTGRES_URL',
  found: () => find() !== undefined,
  async start(args = []) {
    const programs = find() ?? '';
    const user = unprivilegedUser(['postgres']);
    const server = await ServerProcess.run({
      name: 'postgres',
      ready: 'database system is ready to accept connections',
      // at once, but in order: what is killed leaves its shared memory behind
      stopSignal: 'SIGQUIT',
      user,
      prepare: (folder) => {
        execFileSync(
          join(programs, 'initdb'),
          ['-D', join(folder, 'data'), '-U', 'holdfast', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C'],
          { stdio: 'pipe', cwd: folder, ...user },
        );
      },
      command: (port, folder) => [
        join(programs, 'postgres'),
        '-D',
        join(folder, 'data'),
        '-p',
        String(port),
        '-c',
        'listen_addresses=127.0.0.1',
        '-c',
        'unix_socket_directories=',
        '-c',
        'max_connections=200',
        ...args,
      ],
    });
    return {
      url: `postgres://holdfast@127.0.0.1:${server.port}/postgres`,
      control: server,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};
