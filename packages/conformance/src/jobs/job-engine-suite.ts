/**
 * The suite that every job engine passes. Where engines differ, a case asks the capabilities and holds the engine to the one half or
 * to the other: what it says it cannot do, it must refuse.
 */
import { describe, it } from 'vitest';
import { acceptCases } from './accept.ts';
import { crashCases } from './crash.ts';
import { deadLetterCases } from './dead-letters.ts';
import { deliverCases } from './deliver.ts';
import { Place, type EngineCase, type EngineUnderTest } from './engine-under-test.ts';
import { shareCases } from './share.ts';

/** All cases, by what they are about. */
export const jobEngineCases: Readonly<Record<string, readonly EngineCase[]>> = {
  accepting: acceptCases,
  delivering: deliverCases,
  'dead letters': deadLetterCases,
  'several queue objects': shareCases,
  'crashes and leases': crashCases,
};

/** Long enough for processes to start on a machine that has much to do. */
const TIMES = { timeout: 30_000 };

/** Runs the suite against one engine. */
export function jobEngineSuite(name: string, under: EngineUnderTest): void {
  describe(name, () => {
    for (const [about, cases] of Object.entries(jobEngineCases)) {
      describe(about, () => {
        for (const { sentence, run } of cases) {
          it(sentence, TIMES, async () => {
            await using place = new Place(under, await under.url());
            await run(place);
          });
        }
      });
    }
  });
}
