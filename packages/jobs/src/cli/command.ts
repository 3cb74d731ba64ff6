/** What a command is: what it is called with, what it does at a place, and what it answers, as text and as JSON. */
import type { Place } from './place.ts';

/** The options that commands know, as `parseArgs` takes them. */
export const OPTIONS = {
  url: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
  all: { type: 'boolean' },
  yes: { type: 'boolean', short: 'y' },
  limit: { type: 'string' },
  cursor: { type: 'string' },
  id: { type: 'string' },
  'delay-ms': { type: 'string' },
  priority: { type: 'string' },
  'max-retries': { type: 'string' },
  header: { type: 'string', multiple: true },
} as const;

/** Name of an option. */
export type OptionName = keyof typeof OPTIONS;

/** What was given of them. */
export interface Given {
  readonly url?: string | undefined;
  readonly json?: boolean | undefined;
  readonly help?: boolean | undefined;
  readonly version?: boolean | undefined;
  readonly all?: boolean | undefined;
  readonly yes?: boolean | undefined;
  readonly limit?: string | undefined;
  readonly cursor?: string | undefined;
  readonly id?: string | undefined;
  readonly 'delay-ms'?: string | undefined;
  readonly priority?: string | undefined;
  readonly 'max-retries'?: string | undefined;
  readonly header?: readonly string[] | undefined;
}

/** One call of a command. */
export interface Invocation {
  readonly place: Place;
  /** What stands behind the command's own words. */
  readonly operands: readonly string[];
  readonly given: Given;
}

/** What a command answers. */
export interface Answer {
  readonly text: string;
  readonly json: unknown;
  /** Whether something could not be done. */
  readonly failed?: boolean;
}

/** A command. */
export interface Command {
  /** Its words, such as `dead list`. */
  readonly name: string;
  /** What stands behind them: `<x>` is required, `[x]` may be left out, `…` may be repeated. */
  readonly operands: string;
  readonly summary: string;
  /** Its options beside those of all. */
  readonly options: readonly OptionName[];
  /** Whether it may make what is not there. */
  readonly creates?: boolean;
  readonly run: (invocation: Invocation) => Promise<Answer>;
}
