/** How a service lives in its process: which signals end it, and what the process does then. */
import { checkBoolean, checkOneOf, checkOptions, invalidType, outOfRange } from '@holdfast/core/internal';

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
  /** Whether a thread kills the process where its shutdown is late because the event loop is blocked. @default false */
  readonly watchdog?: boolean | undefined;
}

/** The options, decided. */
export interface ProcessSettings {
  readonly signals: readonly NodeJS.Signals[];
  readonly exit: 'code' | 'reraise' | 'none';
  readonly onFatal: 'ignore' | 'shutdown';
  readonly watchdog: boolean;
}

const KEYS = ['signals', 'exit', 'onFatal', 'watchdog'];

const DEFAULT_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK'];

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
  const { signals = DEFAULT_SIGNALS, exit = 'code', onFatal = 'ignore', watchdog = false } = options;
  if (!Array.isArray(signals)) throw invalidType('signals', 'an array of signals', signals);
  return {
    signals: signals.map(checkSignal),
    exit: checkOneOf('exit', exit, ['code', 'reraise', 'none']),
    onFatal: checkOneOf('onFatal', onFatal, ['ignore', 'shutdown']),
    watchdog: checkBoolean('watchdog', watchdog),
  };
}

function checkSignal(signal: unknown): NodeJS.Signals {
  if (typeof signal !== 'string' || !signal.startsWith('SIG'))
    throw invalidType('signals', 'names of signals', signal);
  if (FORBIDDEN.has(signal)) throw outOfRange('signals', 'signals that a process can outlive', signal);
  return signal as NodeJS.Signals;
}
