/**
 * The suite that every adapter passes, over real sockets. Each test starts a server of its own and shuts it down.
 */
import { describe, it } from 'vitest';
import { backgroundCases } from './background.ts';
import type { Case } from './case.ts';
import { deadlineCases } from './deadline.ts';
import { doorCases } from './door.ts';
import { errorCases } from './errors.ts';
import type { Framework } from './framework.ts';
import { healthCases } from './health.ts';
import { leakCases } from './leaks.ts';
import { scopeCases } from './scope.ts';
import { shutdownCases } from './shutdown.ts';

/** All cases, by what they are about. */
export const httpCases: Readonly<Record<string, readonly Case[]>> = {
  'request scope': scopeCases,
  deadline: deadlineCases,
  errors: errorCases,
  'the door': doorCases,
  health: healthCases,
  'background work': backgroundCases,
  shutdown: shutdownCases,
  'what is left behind': leakCases,
};

/** How long a case may take on a machine that is busy. */
const TIMEOUT_MS = 30_000;

/** Runs the suite against the server that `framework` starts. */
export function conformance(name: string, framework: Framework): void {
  describe(name, () => {
    for (const [about, cases] of Object.entries(httpCases)) {
      describe(about, () => {
        for (const { sentence, run } of cases) it(sentence, { timeout: TIMEOUT_MS }, () => run(framework));
      });
    }
  });
}
