/// <reference lib="esnext.disposable" />
/**
 * The engine under the relay's queue, as the run mistreats it: it is killed and started, and it can be made to take nothing for a
 * while, so that a relay can be killed between its store's commit and the enqueue.
 */
import { join } from 'node:path';
import {
  Wire,
  natsServer,
  postgresServer,
  redisServer,
  type ServerControl,
  type ServerKind,
} from '@holdfast/conformance/engines';
import { DatabaseSync } from '@photostructure/sqlite';

/** An engine at work. */
export interface Victim extends AsyncDisposable {
  /** What `RELAY_QUEUE` is. */
  readonly url: string;
  /** Absent where there is no process to kill. */
  readonly control: ServerControl | undefined;
  /** Lets no enqueue through until what it returns is disposed of. */
  hold(): Disposable;
}

/** An engine that can be chosen. */
export interface EngineKind {
  readonly name: string;
  /** Why it cannot be run here. */
  missing(): string | undefined;
  start(data: string): Promise<Victim>;
}

/** Every durable engine that the relay runs on. */
export const engines: readonly EngineKind[] = [
  { name: 'sqlite', missing: () => undefined, start: startFile },
  onServer(redisServer),
  onServer(postgresServer),
  onServer(natsServer),
];

/** A queue in `jobs.db`: whoever has the file's lock holds up every write. */
async function startFile(data: string): Promise<Victim> {
  return {
    url: 'sqlite:',
    control: undefined,
    hold() {
      const database = new DatabaseSync(join(data, 'jobs.db'));
      database.exec('PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE');
      return { [Symbol.dispose]: () => database.close() };
    },
    async [Symbol.asyncDispose]() {},
  };
}

function onServer(kind: ServerKind): EngineKind {
  const { name, binary, debianPackage } = kind;
  return {
    name,
    missing: () => (kind.found() ? undefined : `${binary} not found (apt-get install ${debianPackage})`),
    start: () => startServer(kind),
  };
}

/** A queue on a server, by a wire that can be held. */
async function startServer(kind: ServerKind): Promise<Victim> {
  const server = await kind.start();
  const wire = await Wire.to(server.url);
  return {
    url: wire.url,
    control: server.control,
    hold() {
      wire.hold();
      return { [Symbol.dispose]: () => wire.release() };
    },
    async [Symbol.asyncDispose]() {
      await wire[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
