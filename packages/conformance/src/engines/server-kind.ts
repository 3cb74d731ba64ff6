/** A kind of server that tests run against: how it is found, and how it is started. */
import type { ServerControl } from './server-process.ts';

/** A server that takes connections. Disposing ends it, where it is the tests' own. */
export interface EngineServer extends AsyncDisposable {
  readonly url: string;
  /** Absent for a server that was there before. */
  readonly control: ServerControl | undefined;
}

/** What is known of a kind of server. */
export interface ServerKind {
  readonly name: string;
  /** The program that must be there. */
  readonly binary: string;
  /** How Debian calls its package. */
  readonly debianPackage: string;
  /** The environment variable that names an existing server. */
  readonly variable: string;
  /** Whether the program is there. */
  found(): boolean;
  /** Starts one, with these arguments added. */
  start(args?: readonly string[]): Promise<EngineServer>;
}
