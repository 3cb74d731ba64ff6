/** How a service lives in its process: which signals end it, and what the process does then. */
import {
  MAX_TIMER_MS,
  checkBetween,
  checkBoolean,
  checkOneOf,
  checkOptions,
  invalidType,
  outOfRange,
} from '@holdfast/core/internal';

/** How a service lives in its process. */
export interface ProcessOptions {
  /** Signals that start the shutdown. @default SIGTERM, SIGINT, SIGHUP, SIGBREAK */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
  /**
   * How the process ends once the last of its services has stopped: with a code that says how it went, by the signal that started
   * it where all went well, or not at all. @default 'code'
   */
  readonly exit?: 'code' | 'reraise' | 'none' | undefined;
  /** What an uncaught exception or unhandled rejection does: what Node does, or a shutdown that fails. @default 'ignore' */
  readonly onFatal?: 'ignore' | 'shutdown' | undefined;
  /** What SIGTERM does when it comes again: nothing, or what SIGINT does. Orchestrators repeat it. @default 'ignore' */
  readonly secondTerm?: 'ignore' | 'escalate' | undefined;
  /**
   * Whether a thread kills the process where its shutdown is late because the event loop is blocked; with `maxBlockMs` also where
   * the loop is blocked for that long before any signal, which nobody would hear. @default false
   */
  readonly watchdog?: boolean | WatchdogOptions | undefined;
}

/** When a blocked event loop is the end of its process. */
export interface WatchdogOptions {
  /** Longest time the loop may be blocked, in milliseconds: longer than anything that is meant to block it, a debugger included. */
  readonly maxBlockMs: number;
}

/** The options, decided. */
export interface ProcessSettings {
  readonly signals: readonly NodeJS.Signals[];
  readonly exit: 'code' | 'reraise' | 'none';
  readonly onFatal: 'ignore' | 'shutdown';
  readonly secondTerm: 'ignore' | 'escalate';
  readonly watchdog: boolean;
  readonly maxBlockMs: number | undefined;
}

const KEYS = ['signals', 'exit', 'onFatal', 'secondTerm', 'watchdog'];

const DEFAULT_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK'];

/** Below this the watch itself would be a load. */
const SHORTEST_BLOCK_MS = 100;

/** These cannot be caught, or say that the process is broken. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGKILL',
  'SIGSEGV',
  'SIGSTOP',
  'SIGTRAP',
]);

/**
 * Checks the options and fills in what they leave out. `keys` are other options that the caller reads.
 *
 * @throws TypeError, RangeError on bad options.
 */
export function processSettings(options: ProcessOptions, keys: readonly string[] = []): ProcessSettings {
  checkOptions('options', options, [...KEYS, ...keys]);
  const { signals = DEFAULT_SIGNALS, exit = 'code', onFatal = 'ignore', secondTerm = 'ignore' } = options;
  const { watchdog = false } = options;
  if (!Array.isArray(signals)) throw invalidType('signals', 'an array of signals', signals);
  return {
    signals: signals.map(checkSignal),
    exit: checkOneOf('exit', exit, ['code', 'reraise', 'none']),
    onFatal: checkOneOf('onFatal', onFatal, ['ignore', 'shutdown']),
    secondTerm: checkOneOf('secondTerm', secondTerm, ['ignore', 'escalate']),
    watchdog: typeof watchdog === 'object' ? true : checkBoolean('watchdog', watchdog),
    maxBlockMs: typeof watchdog === 'object' ? checkMaxBlockMs(watchdog) : undefined,
  };
}

function checkMaxBlockMs(watchdog: WatchdogOptions): number {
  checkOptions('watchdog', watchdog, ['maxBlockMs']);
  return checkBetween('watchdog.maxBlockMs', watchdog.maxBlockMs, SHORTEST_BLOCK_MS, MAX_TIMER_MS);
}

function checkSignal(signal: unknown): NodeJS.Signals {
  if (typeof signal !== 'string' || !signal.startsWith('SIG'))
    throw invalidType('signals', 'names of signals', signal);
  if (FORBIDDEN.has(signal)) throw outOfRange('signals', 'signals that a process can outlive', signal);
  return signal as NodeJS.Signals;
}
