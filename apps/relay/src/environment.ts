/**
 * The relay's configuration: every variable of its environment, with default, check and one line of help. All is read before
 * anything is opened; the first bad value is an EnvironmentError that names variable and value.
 */
import { availableParallelism } from 'node:os';
import { isQueueUrl, queueUrl } from './engines.ts';
import { origins, type OriginFilter } from './origins.ts';

/** What a relay runs with. Durations are milliseconds. */
export interface RelayConfig {
  readonly port: number;
  readonly host: string;
  readonly queueUrl: string;
  readonly dataDirectory: string;
  readonly platform: 'express' | 'fastify';
  readonly queueCapacity: number;
  readonly admissionWaitMs: number;
  readonly leaseMs: number;
  readonly concurrency: number;
  readonly maxAttempts: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly attemptTimeoutMs: number;
  readonly originConcurrency: number;
  readonly requestTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly digestWorkers: number;
  readonly digestQueue: number;
  readonly shutdownBudgetMs: number;
  readonly lameDuckMs: number;
  readonly allowedOrigins: OriginFilter;
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable has a value that the relay cannot run with. The message is one line. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

interface Variable<T> {
  readonly name: string;
  readonly help: string;
  readonly fallback: string;
  readonly expected: string;
  /** The value, or `undefined` where `text` is not one. */
  readonly parse: (text: string) => T | undefined;
}

const MAX_TIMER_MS = 2 ** 31 - 1;
const MAX_COUNT = 1_000_000_000;

/** How many digests may wait for each thread, unless told. */
const DIGESTS_PER_WORKER = 8;

const workers = Math.max(1, availableParallelism() - 1);

const variables = {
  port: integer('PORT', 3_000, 0, 65_535, 'port to listen on; 0 takes a free one'),
  host: text('HOST', '127.0.0.1', 'address to listen on'),
  queueUrl: {
    name: 'RELAY_QUEUE',
    help: 'queue engine: memory:, sqlite:, redis://…, postgres://… or nats://…; sqlite: is a file in RELAY_DATA',
    fallback: 'sqlite:',
    expected: 'memory:, sqlite:, sqlite:./jobs.db, redis://…, postgres://… or nats://…',
    parse: (value: string) => (isQueueUrl(value) ? value : undefined),
  },
  dataDirectory: text('RELAY_DATA', './data', 'directory of the store; nothing is written elsewhere'),
  platform: {
    name: 'RELAY_PLATFORM',
    help: 'HTTP server under NestJS',
    fallback: 'express',
    expected: 'express or fastify',
    parse: (value: string) => (value === 'express' || value === 'fastify' ? value : undefined),
  },
  queueCapacity: integer('RELAY_QUEUE_CAPACITY', 1_000, 1, MAX_COUNT, 'events accepted and not yet settled'),
  admissionWaitMs: integer('RELAY_ADMISSION_WAIT_MS', 250, 0, MAX_TIMER_MS, 'longest wait for room'),
  leaseMs: integer(
    'RELAY_LEASE_MS',
    10_000,
    100,
    MAX_TIMER_MS,
    'after how long the deliveries of a relay that died are taken over, from a queue that outlives it',
  ),
  concurrency: integer('RELAY_CONCURRENCY', 16, 1, MAX_COUNT, 'deliveries at a time'),
  maxAttempts: integer('RELAY_MAX_ATTEMPTS', 10, 1, MAX_COUNT, 'requests per event before it fails'),
  retryBaseMs: integer('RELAY_RETRY_BASE_MS', 200, 0, MAX_TIMER_MS, 'first back-off'),
  retryMaxMs: integer('RELAY_RETRY_MAX_MS', 2_000, 0, MAX_TIMER_MS, 'longest back-off'),
  attemptTimeoutMs: integer('RELAY_ATTEMPT_TIMEOUT_MS', 2_000, 1, MAX_TIMER_MS, 'limit of one request'),
  originConcurrency: integer('RELAY_ORIGIN_CONCURRENCY', 32, 1, MAX_COUNT, 'requests at a time per origin'),
  requestTimeoutMs: integer(
    'RELAY_REQUEST_TIMEOUT_MS',
    10_000,
    1,
    MAX_TIMER_MS,
    'limit of an inbound request',
  ),
  maxBodyBytes: integer('RELAY_MAX_BODY_BYTES', 1_048_576, 1, MAX_COUNT, 'largest request body'),
  digestWorkers: integer('RELAY_DIGEST_WORKERS', workers, 1, 1_024, 'threads that compute digests'),
  digestQueue: integer(
    'RELAY_DIGEST_QUEUE',
    DIGESTS_PER_WORKER * workers,
    0,
    MAX_COUNT,
    'digests that may wait for a thread',
  ),
  shutdownBudgetMs: integer('RELAY_SHUTDOWN_BUDGET_MS', 25_000, 1, MAX_TIMER_MS, 'limit of a shutdown'),
  lameDuckMs: integer('RELAY_LAME_DUCK_MS', 0, 0, MAX_TIMER_MS, 'how long to serve on after SIGTERM'),
  allowedOrigins: {
    name: 'RELAY_ALLOW_ORIGINS',
    help: 'origins that may be posted to; set it in production',
    fallback: 'any',
    expected: 'any, or origins separated by commas, such as https://a.example,https://b.example:8443',
    parse: origins,
  },
} satisfies { readonly [K in keyof RelayConfig]: Variable<RelayConfig[K]> };

/**
 * Reads the configuration.
 *
 * @throws EnvironmentError where a value is bad.
 */
export function readEnvironment(environment: Environment): RelayConfig {
  const config = Object.fromEntries(
    Object.entries<Variable<unknown>>(variables).map(([key, variable]) => [key, read(variable, environment)]),
  ) as unknown as RelayConfig; // `variables` has one entry per member, of the member's type
  if (config.retryMaxMs < config.retryBaseMs)
    throw bad(variables.retryMaxMs, String(config.retryMaxMs), 'at least RELAY_RETRY_BASE_MS');
  const isQueueSet = environment[variables.digestQueue.name] !== undefined;
  return {
    ...config,
    queueUrl: queueUrl(config.queueUrl, config.dataDirectory),
    digestQueue: isQueueSet ? config.digestQueue : DIGESTS_PER_WORKER * config.digestWorkers,
  };
}

/** What `--help` prints: every variable with its default. */
export function environmentHelp(): string {
  const rows = Object.values(variables).map(({ name, fallback, help }) => [name, fallback, help] as const);
  const width = (column: 0 | 1): number => Math.max(...rows.map((row) => row[column].length));
  return [
    'A webhook relay: stores events, delivers them, accounts for every one. Configured by its environment:',
    '',
    ...rows.map(
      ([name, fallback, help]) => `  ${name.padEnd(width(0))}  ${fallback.padEnd(width(1))}  ${help}`,
    ),
  ].join('\n');
}

function read<T>(variable: Variable<T>, environment: Environment): T {
  const value = environment[variable.name] ?? variable.fallback;
  const parsed = variable.parse(value);
  if (parsed === undefined) throw bad(variable, value, variable.expected);
  return parsed;
}

function bad({ name }: Variable<unknown>, value: string, expected: string): EnvironmentError {
  return new EnvironmentError(`${name} must be ${expected}, got ${JSON.stringify(value)}`);
}

function text(name: string, fallback: string, help: string): Variable<string> {
  return { name, help, fallback, expected: 'a non-empty text', parse: (value) => value.trim() || undefined };
}

function integer(name: string, fallback: number, min: number, max: number, help: string): Variable<number> {
  return {
    name,
    help,
    fallback: String(fallback),
    expected: `a whole number from ${min} to ${max}`,
    parse(value) {
      const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? number : undefined;
    },
  };
}
