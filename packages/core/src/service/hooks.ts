/**
 * Callbacks that run at a shutdown. Each has a phase, a time-out of its own and an order; whatever it does (throw, reject, hang)
 * is recorded, and the others run all the same. A hook runs in the asynchronous context it was registered in.
 */
import type { ShutdownPhase } from '../component.ts';
import {
  checkBoolean,
  checkFunction,
  checkName,
  checkOneOf,
  checkOptions,
  checkTimeoutMs,
  invalidType,
  outOfRange,
} from '../options/checks.ts';
import { captureContext, type RunInContext } from '../runtime.ts';
import { call } from '../signal/call.ts';
import { Execution } from '../signal/execution.ts';
import { extendContext, type Work, type WorkContext } from '../signal/work-context.ts';
import type { Dependent } from './dependencies.ts';
import { PHASES } from './phases.ts';

/** When a hook runs, and for how long. */
export interface ShutdownHookOptions {
  /** The phase it runs in. @default 'close' */
  readonly phase?: ShutdownPhase | undefined;
  /** Longest time it may take, in milliseconds; then its signal aborts and the shutdown goes on. @default 3_000 */
  readonly timeoutMs?: number | undefined;
  /** Names of components and hooks it needs: they close after it. Those that do not name each other close at the same time. */
  readonly dependsOn?: readonly string[] | undefined;
  /** Whether its failure makes the outcome of the shutdown `failed`. @default true */
  readonly critical?: boolean | undefined;
}

/** What a hook receives. */
export interface ShutdownContext extends WorkContext {
  /** Why the service shuts down. */
  readonly cause: string;
}

/** What became of one hook. */
export interface HookReport {
  readonly name: string;
  readonly outcome: 'ok' | 'failed' | 'timed-out';
  /** What it threw; `undefined` is also what a hook may throw. */
  readonly error: unknown;
}

/** The options of a hook, decided. */
export interface HookSettings {
  readonly phase: ShutdownPhase;
  readonly timeoutMs: number;
  readonly dependsOn: readonly string[];
  readonly critical: boolean;
}

const DEFAULT_TIMEOUT_MS = 3_000;

/**
 * Checks the options of a hook and fills in what they leave out.
 *
 * @throws TypeError, RangeError on bad options.
 */
export function hookSettings(options: ShutdownHookOptions): HookSettings {
  checkOptions('options', options, ['phase', 'timeoutMs', 'dependsOn', 'critical']);
  const { phase = 'close', timeoutMs = DEFAULT_TIMEOUT_MS, dependsOn = [], critical = true } = options;
  if (!Array.isArray(dependsOn)) throw invalidType('dependsOn', 'an array of names', dependsOn);
  return {
    phase: checkOneOf('phase', phase, PHASES),
    timeoutMs: checkTimeoutMs('timeoutMs', timeoutMs),
    dependsOn: dependsOn.map((name) => checkName('dependsOn', name)),
    critical: checkBoolean('critical', critical),
  };
}

/** How one run of a hook is bounded. */
export interface HookLimits {
  readonly cause: string;
  readonly signal: AbortSignal;
  readonly remainingMs: number;
  /** The service, so that the hook's work passes its door. */
  readonly owner: object;
}

/** A registered hook. */
export class Hook implements Dependent {
  readonly name: string;
  readonly settings: HookSettings;
  readonly #fn: Work<unknown, ShutdownContext>;
  readonly #inContext: RunInContext = captureContext();

  constructor(name: string, fn: Work<unknown, ShutdownContext>, options: ShutdownHookOptions) {
    this.name = checkName('name', name);
    checkFunction('fn', fn);
    this.settings = hookSettings(options);
    this.#fn = fn;
  }

  get dependsOn(): readonly string[] {
    return this.settings.dependsOn;
  }

  run(limits: HookLimits): Promise<HookReport> {
    return runHook(
      this.name,
      (ctx) => this.#inContext(() => this.#fn(extendContext(ctx, { cause: limits.cause }))),
      this.settings.timeoutMs,
      limits,
    );
  }
}

/** Runs `fn` as a hook: never rejects, and ends with its time-out or the phase's, whatever `fn` does. */
export async function runHook(
  name: string,
  fn: Work<unknown>,
  timeoutMs: number,
  { signal, remainingMs, owner }: HookLimits,
): Promise<HookReport> {
  let settled = false;
  const work: Work<void> = async (ctx) => {
    try {
      await fn(ctx);
    } finally {
      settled = true;
    }
  };
  try {
    await call(work, {
      signal,
      timeoutMs: Math.min(timeoutMs, remainingMs),
      name: `Hook "${name}"`,
      execution: new Execution(undefined, owner),
    });
    return { name, outcome: 'ok', error: undefined };
  } catch (error) {
    return { name, outcome: settled ? 'failed' : 'timed-out', error };
  }
}

/**
 * Refuses a hook that needs what is shut in an earlier phase.
 *
 * @throws RangeError that names both.
 */
export function checkPhases(
  added: Dependent & { readonly settings: HookSettings },
  others: readonly (Dependent & { readonly settings: HookSettings })[],
): void {
  const check = (
    needing: Dependent & { readonly settings: HookSettings },
    needed: Dependent & { readonly settings: HookSettings },
  ): void => {
    if (!needing.dependsOn.includes(needed.name)) return;
    if (PHASES.indexOf(needing.settings.phase) <= PHASES.indexOf(needed.settings.phase)) return;
    const expected = `what is not shut before phase "${needing.settings.phase}" of "${needing.name}"`;
    throw outOfRange('dependsOn', expected, needed.name);
  };
  for (const other of others) {
    check(added, other);
    check(other, added);
  }
}
