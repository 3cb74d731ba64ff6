/**
 * The suite that every job engine passes. Where engines differ, a case asks the capabilities and holds the engine to the one half or
 * to the other: what it says it cannot do, it must refuse.
 */
import { describe, it } from 'vitest';
import { SKIP } from '../engines/on-server.ts';
import { acceptCases } from './accept.ts';
import { clockCases } from './clocks.ts';
import { crashCases } from './crash.ts';
import { deadLetterCases } from './dead-letters.ts';
import { deliverCases } from './deliver.ts';
import { Place, type EngineCase, type EngineUnderTest } from './engine-under-test.ts';
import { outageCases } from './outage.ts';
import { shareCases } from './share.ts';
import { stopCases } from './stop.ts';

/** All cases, by what they are about. */
export const jobEngineCases: Readonly<Record<string, readonly EngineCase[]>> = {
  accepting: acceptCases,
  delivering: deliverCases,
  stopping: stopCases,
  'dead letters': deadLetterCases,
  'several queue objects': shareCases,
  'crashes and leases': crashCases,
  'clocks that disagree': clockCases,
  'servers that go away': outageCases,
};

/** Long enough for processes to start on a machine that has much to do, in milliseconds. */
const TIMEOUT_MS = 30_000;

/** Runs the suite against one engine. */
export function jobEngineSuite(name: string, under: EngineUnderTest): void {
  describe(name, () => {
    for (const [about, cases] of Object.entries(jobEngineCases)) {
      const killing = cases.filter(({ needs }) => needs === 'server');
      const others = cases.filter(({ needs }) => needs !== 'server' && (needs === undefined || under.server));
      describe(about, () => {
        for (const one of others) run(under, one);
        if (under.server !== undefined) killServer(name, under, killing);
      });
    }
  });
}

/** Cases that kill a server; one that is not the tests' own is spared, and that is told. */
function killServer(name: string, under: EngineUnderTest, cases: readonly EngineCase[]): void {
  const foreign = under.server?.foreign;
  const group = foreign === undefined ? describe : describe.skip;
  const title = foreign === undefined ? 'killed' : `${SKIP}${name} ${foreign} is not restarted`;
  group(title, () => {
    for (const one of cases) run(under, one);
  });
}

function run(under: EngineUnderTest, one: EngineCase): void {
  it(one.sentence, { timeout: one.timeoutMs ?? TIMEOUT_MS }, async () => {
    await using place = await Place.of(under, one);
    await one.run(place);
  });
}
