/** The four servers that must behave identically, each as the file that plain `node` starts and the environment it needs. */
import { fileURLToPath } from 'node:url';

/** One wiring of the relay. */
export interface RelayServer {
  readonly name: string;
  readonly main: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The built main file of an app. */
export function mainFile(app: string): string {
  return fileURLToPath(new URL(`../../${app}/dist/main.js`, import.meta.url));
}

/** Every server under test. */
export const servers: readonly RelayServer[] = [
  { name: 'Express', main: mainFile('relay-express'), env: {} },
  { name: 'Hono', main: mainFile('relay-hono'), env: {} },
  { name: 'NestJS on Express', main: mainFile('relay-nestjs'), env: { RELAY_PLATFORM: 'express' } },
  { name: 'NestJS on Fastify', main: mainFile('relay-nestjs'), env: { RELAY_PLATFORM: 'fastify' } },
];

/** Every server on both queues that need nothing installed. */
export const serversByQueue: readonly RelayServer[] = servers.flatMap(({ name, main, env }) =>
  ['memory:', 'sqlite:'].map((queue) => ({
    name: `${name}, ${queue}`,
    main,
    env: { ...env, RELAY_QUEUE: queue },
  })),
);

/** Every server with a queue that dies with its process. */
export const serversInMemory: readonly RelayServer[] = serversByQueue.filter(
  ({ env }) => env['RELAY_QUEUE'] === 'memory:',
);
