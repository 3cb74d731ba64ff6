/** How a relay runs as a program: what it prints, and how it ends where it cannot start. A wiring passes what makes it listen. */
import type { Server } from 'node:http';
import { keepJournal } from './journal.ts';
import { EnvironmentError, environmentHelp, readEnvironment, type RelayConfig } from './environment.ts';

/** Reads the configuration and listens. Exits 2 on a bad configuration, 1 where the start fails, with one line each. */
export async function runRelay(listen: (config: RelayConfig) => Promise<Server>): Promise<void> {
  const [argument] = process.argv.slice(2);
  if (argument === '--help') return console.log(environmentHelp());
  try {
    if (argument !== undefined)
      throw new EnvironmentError(`the only argument is --help, got ${JSON.stringify(argument)}`);
    const config = readEnvironment(process.env);
    keepJournal();
    console.log(`listening on ${urlOf(config, await listen(config))}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(error instanceof EnvironmentError ? 2 : 1);
  }
}

function urlOf({ host, port }: RelayConfig, server: Server): string {
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
}
