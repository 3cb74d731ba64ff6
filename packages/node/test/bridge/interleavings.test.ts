import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { isHoldfastError } from '@holdfast/core';
import { bridge } from '../../src/index.ts';
import type * as Repository from '../fixtures/repository.mjs';

type Fate = 'fine' | 'throws' | 'dies' | 'hangs' | 'leaves' | 'uncloneable';

it('whatever happens to calls, each is answered once, the limit holds, and nothing is left', async () => {
  const fates = fc.array(
    fc.constantFrom<Fate>('fine', 'fine', 'throws', 'dies', 'hangs', 'leaves', 'uncloneable'),
    {
      minLength: 5,
      maxLength: 30,
    },
  );
  await fc.assert(
    fc.asyncProperty(
      fates,
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 10 }),
      async (calls, maxThreads, maxQueue) => {
        const pool = bridge<typeof Repository>(new URL('../fixtures/repository.mjs', import.meta.url), {
          maxThreads,
          maxQueue,
        });
        const answers = await Promise.all(calls.map((fate) => answer(fate)));

        async function answer(fate: Fate): Promise<string> {
          const caller = new AbortController();
          const { add, throwValue, exit, spin, echo } = pool.with({ signal: caller.signal });
          if (fate === 'hangs') setTimeout(() => caller.abort('gone'), 80);
          const outcome = {
            fine: () => add(1, 1),
            throws: () => throwValue('thrown'),
            dies: () => exit(1),
            hangs: () => spin(),
            leaves: () => add(1, 1),
            uncloneable: () => echo(() => 1),
          }[fate]();
          if (fate === 'leaves') caller.abort('gone');
          expect(pool.stats()['threads']).toBeLessThanOrEqual(maxThreads);
          return outcome.then(String, (error: unknown) =>
            isHoldfastError(error) ? error.code : String(error),
          );
        }

        calls.forEach((fate, index) => {
          const expected = {
            fine: '2',
            throws: 'thrown',
            dies: 'WORKER_CRASHED',
            hangs: 'gone',
            leaves: 'gone',
            uncloneable: 'PAYLOAD_INVALID',
          };
          expect([expected[fate], 'POOL_FULL']).toContain(answers[index]);
        });
        expect(answers.slice(0, maxThreads)).not.toContain('POOL_FULL');
        await pool[Symbol.asyncDispose]();
        expect(pool.stats()).toMatchObject({ threads: 0, busy: 0, waiting: 0, zombies: 0 });
      },
    ),
    { numRuns: 10 },
  );
});
