/**
 * Runs tests against a server: the one that an environment variable names, else one that is started for them. Where there is none,
 * the tests are skipped, and the name of their group says what to install; `npm test` prints it. With HOLDFAST_REQUIRE_ENGINES=1 they
 * fail instead.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import type { EngineServer, ServerKind } from './server-kind.ts';
import type { ServerControl } from './server-process.ts';

/** The server, to be asked for within tests and hooks. */
export interface ServerInUse {
  readonly url: string;
  /** The variable that names the server, where it is not the tests' own: it is neither killed nor started. */
  readonly foreign: string | undefined;
  readonly control: ServerControl | undefined;
}

/** Runs the tests that `body` declares. */
export function onServer(kind: ServerKind, body: (server: ServerInUse) => void): void {
  const existing = process.env[kind.variable];
  const missing = existing || kind.found() ? undefined : missingBinary(kind);
  const skip = missing !== undefined && process.env['HOLDFAST_REQUIRE_ENGINES'] !== '1';
  const group = skip ? describe.skip : describe;
  group(skip ? `${SKIP}${kind.name}: ${missing}` : kind.name, () => {
    body(existing ? foreignServer(kind, existing) : ownServer(kind));
  });
}

/** How the name of a group begins that is skipped, before it says why: scripts/vitest-report.mjs looks for it. */
export const SKIP = 'SKIP ';

function missingBinary({ binary, debianPackage }: ServerKind): string {
  return `${binary} not found (apt-get install ${debianPackage})`;
}

function foreignServer({ variable }: ServerKind, url: string): ServerInUse {
  return { url, foreign: variable, control: undefined };
}

function ownServer(kind: ServerKind): ServerInUse {
  let running: EngineServer | undefined;
  beforeAll(async () => {
    if (!kind.found()) throw new Error(missingBinary(kind));
    running = await kind.start();
  }, 60_000);
  afterAll(async () => {
    await running?.[Symbol.asyncDispose]();
  });
  const started = (): EngineServer => {
    if (running === undefined) throw new Error(`${kind.name} is not running outside of tests`);
    return running;
  };
  return {
    get url() {
      return started().url;
    },
    foreign: undefined,
    get control() {
      return started().control;
    },
  };
}
