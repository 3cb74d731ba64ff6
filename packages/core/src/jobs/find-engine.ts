/** Which engine serves a URL. `memory:` is built in; for the others somebody has to pass the engine, and the error says which. */
import { checkFunction, checkOptions, invalidType, outOfRange } from '../options/checks.ts';
import type { JobDriver, JobEngine } from './engine.ts';
import { memory } from './memory-engine.ts';

/** Where the engine of a scheme is to be had, and what it is called there. */
const PACKAGES: ReadonlyMap<string, string> = new Map<string, string>([
  ['sqlite:', 'sqlite from @holdfast/jobs-sqlite'],
  ['redis:', 'bullmq from @holdfast/jobs-bullmq'],
  ['rediss:', 'bullmq from @holdfast/jobs-bullmq'],
  ['postgres:', 'bullmq from @holdfast/jobs-bullmq'],
  ['postgresql:', 'bullmq from @holdfast/jobs-bullmq'],
  ['nats:', 'nats from @holdfast/jobs-nats'],
  ['tls:', 'nats from @holdfast/jobs-nats'],
]);

/**
 * A driver for the engine at `url`.
 *
 * @throws TypeError on bad arguments; RangeError where no engine serves the scheme. Neither shows the URL, which may hold a password.
 */
export function connectEngine(url: unknown, engines: unknown = []): JobDriver {
  if (typeof url !== 'string') throw invalidType('url', 'a string', url);
  if (!URL.canParse(url))
    throw outOfRange('url', 'a URL such as memory: or sqlite:./data/jobs.db', 'something else');
  if (!Array.isArray(engines)) throw invalidType('engines', 'an array', engines);
  for (const engine of engines) checkEngine(engine);

  const parsed = new URL(url);
  const { protocol } = parsed;
  const known: readonly JobEngine[] = [...engines, memory];
  const engine = known.find(({ schemes }) => schemes.includes(protocol));
  if (engine !== undefined) return engine.connect(parsed);
  const schemes = known.flatMap((one) => one.schemes).join(', ');
  const remedy = PACKAGES.get(protocol);
  throw outOfRange(
    'url',
    `of a scheme that an engine serves (${schemes}${remedy === undefined ? '' : `; add ${remedy} to engines`})`,
    protocol,
  );
}

function checkEngine(engine: unknown): asserts engine is JobEngine {
  checkOptions('engine', engine);
  const { schemes, connect } = engine as Partial<JobEngine>;
  checkFunction('engine.connect', connect);
  if (!Array.isArray(schemes)) throw invalidType('engine.schemes', 'an array of schemes', schemes);
  for (const scheme of schemes) {
    if (typeof scheme !== 'string') throw invalidType('engine.schemes', 'an array of strings', scheme);
    if (!scheme.endsWith(':')) throw outOfRange('engine.schemes', 'schemes with their colon', scheme);
  }
}
