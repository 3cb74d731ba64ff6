/** What a call to another thread costs, one at a time and many at once. */
import type * as Work from './work.sync.ts';
import { bridge, type Bridge } from '@holdfast/node';
import { Piscina } from 'piscina';
import type { Case, CaseAt, Contender } from '../case.ts';

const file = new URL('./work.sync.js', import.meta.url);
const threads = 2;

async function oneByOne(operations: number, call: (n: number) => Promise<number>): Promise<void> {
  for (let n = 0; n < operations; n += 1)
    if ((await call(n)) !== n * 2) throw new Error('a thread answered wrongly');
}

/** Threads start with the first run, since a case may be left out. */
function onThreads(operations: number): readonly [Contender, Contender] {
  let ours: Bridge<typeof Work> | undefined;
  let piscina: Piscina | undefined;
  return [
    {
      name: 'bridge',
      run() {
        ours ??= bridge(file, { maxThreads: threads });
        const { call } = ours;
        return oneByOne(operations, (n) => call.double(n));
      },
      close: () => void ours?.[Symbol.asyncDispose](),
    },
    {
      name: 'piscina',
      run() {
        const pool = (piscina ??= new Piscina({
          filename: file.href,
          minThreads: threads,
          maxThreads: threads,
        }));
        return oneByOne(operations, (n) => pool.run(n));
      },
      close: () => void piscina?.destroy(),
    },
  ];
}

/** Calls one after the other. */
export const threadCalls: CaseAt = (operations): Case => ({
  name: `bridge ${operations}`,
  work: `${operations} calls, one after the other, of a function on ${threads} other threads that does next to nothing.`,
  operations,
  contenders: onThreads(operations),
  demands: [{ against: 'piscina', ratio: 0.87 }],
});
