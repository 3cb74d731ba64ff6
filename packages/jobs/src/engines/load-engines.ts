/** The engine that a URL needs, from the package that has it. Nothing is loaded that the URL does not ask for. */
import { EngineUnavailableError, type JobEngine } from '@holdfast/core';
import { outOfRange } from '@holdfast/core/internal';

interface Home {
  readonly specifier: string;
  readonly name: string;
}

const BULLMQ: Home = { specifier: '@holdfast/jobs-bullmq', name: 'bullmq' };
const NATS: Home = { specifier: '@holdfast/jobs-nats', name: 'nats' };

const HOMES: ReadonlyMap<string, Home> = new Map<string, Home>([
  ['sqlite:', { specifier: '@holdfast/jobs-sqlite', name: 'sqlite' }],
  ['redis:', BULLMQ],
  ['rediss:', BULLMQ],
  ['postgres:', BULLMQ],
  ['postgresql:', BULLMQ],
  ['nats:', NATS],
  ['tls:', NATS],
]);

/**
 * The engines that a JobQueue needs for `url`: one, or none where it is `memory:`. The packages are optional peers.
 *
 * @example
 * const url = process.env['QUEUE_URL'] ?? 'memory:';
 * const mails = new JobQueue<Mail>({ name: 'mails', url, engines: await loadEngines(url) });
 *
 * @throws RangeError (as a rejection) where no package serves the scheme.
 * @throws EngineUnavailableError (as a rejection) where the package is not installed; the message names it.
 */
export async function loadEngines(url: string): Promise<readonly JobEngine[]> {
  // the URL may hold a password, so it is not shown
  if (!URL.canParse(url)) throw outOfRange('url', 'a URL such as sqlite:./data/jobs.db', 'something else');
  const { protocol } = new URL(url);
  if (protocol === 'memory:') return [];
  const home = HOMES.get(protocol);
  if (home === undefined)
    throw outOfRange('url', `of a scheme that a package serves (${[...HOMES.keys()].join(', ')})`, protocol);
  const engine: unknown = Reflect.get(await load(home, protocol), home.name);
  // what the package exports under its name
  return [engine as JobEngine];
}

async function load({ specifier }: Home, protocol: string): Promise<object> {
  try {
    const module: unknown = await import(specifier);
    return Object(module) as object;
  } catch (error) {
    if (!isMissing(error, specifier)) throw error;
    throw new EngineUnavailableError(
      `A queue at ${protocol} needs the package ${specifier}: npm install ${specifier}`,
      error,
    );
  }
}

/** Whether this package is missing, and not one that it needs itself. */
function isMissing(error: unknown, specifier: string): boolean {
  if (!(error instanceof Error) || Reflect.get(error, 'code') !== 'ERR_MODULE_NOT_FOUND') return false;
  return error.message.includes(`'${specifier}'`);
}
