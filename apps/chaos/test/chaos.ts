/** The short form, for each engine in a file of its own, so that two run at a time. Not a test file itself. */
import { describe, expect, it } from 'vitest';
import { run } from '../src/run.ts';
import { engines } from '../src/victim.ts';

/** Registers the test on one engine; without its server it is skipped by name, or fails where engines are required. */
export function chaosTest(name: string): void {
  const engine = engines.find((one) => one.name === name);
  const missing = engine?.missing();
  const skip = missing !== undefined && process.env['HOLDFAST_REQUIRE_ENGINES'] !== '1';
  (skip ? describe.skip : describe)(skip ? `SKIP ${name}: ${missing}` : name, () => {
    it('delivers every accepted event, whoever is killed', async () => {
      if (engine === undefined || missing !== undefined) throw new Error(`${name}: ${missing}`);
      const result = await run(engine, { events: 500, seed: 5 });
      expect(result, JSON.stringify(result)).toMatchObject({
        accepted: 500,
        lost: [],
        exitCode: 0,
        store: { queued: 0, delivering: 0, failed: 0, delivered: 500 + result.between },
      });
      expect(result.relayKills).toBeGreaterThan(0);
    });
  });
}
