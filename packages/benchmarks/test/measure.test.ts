import { expect, it } from 'vitest';
import type { Case } from '../src/case.ts';
import { batch } from '../src/cases/batch.ts';
import { breaker, countingBreaker, retrying, stack } from '../src/cases/guards.ts';
import { limiter } from '../src/cases/limiter.ts';
import { batchedQueue, queue } from '../src/cases/queue.ts';
import { tracked } from '../src/cases/tasks.ts';
import { markdown } from '../src/markdown.ts';
import { measure, median } from '../src/measure.ts';
import { plot } from '../src/plot.ts';
import { judge } from '../src/verdict.ts';

const where = { cpu: 'cpu', cores: 2, memoryGiB: 4, runtime: 'Node', versions: { peer: '1.0.0' } };

it('takes the middle value, or the mean of the two middle ones', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
});

it('runs contenders in interleaved rounds whose order rotates, and closes them at the end', async () => {
  const log: string[] = [];
  const contender = (name: string) => ({
    name,
    async run() {
      log.push(name);
    },
    close: () => log.push(`${name} closed`),
  });
  const subject: Case = {
    name: 'order',
    work: 'none',
    operations: 1,
    contenders: [contender('a'), contender('b')],
    demands: [],
  };
  await measure(subject, { warmUp: 1, measured: 2 });
  expect(log).toEqual(['a', 'b', 'b', 'a', 'a', 'b', 'a closed', 'b closed']);
});

it('judges a demand by the ratio to the fastest peer, to a named one, or by operations a second', () => {
  const subject = {
    name: 'case',
    work: 'work',
    operations: 1_000,
    contenders: [{ name: 'ours', run: async () => undefined }],
    demands: [{ against: 'fastest peer', ratio: 2 }, { against: 'slow', ratio: 9 }, { perSecond: 1e6 }],
  } satisfies Case;
  const figures = (name: string, ratio: number) => ({
    name,
    medianMs: ratio,
    spread: 0,
    perOperationUs: ratio,
    ratio,
  });
  const measured = [figures('ours', 1), figures('slow', 8), figures('fast', 2.5)];
  const verdicts = judge(subject, measured);
  expect(verdicts.map(({ met }) => met)).toEqual([true, false, true]);
  expect(markdown([{ subject, measured, verdicts }], where)).toContain('**Not met**: at least 9 times slow');
});

it.each(
  [limiter, batch, tracked, queue, batchedQueue, breaker, countingBreaker, retrying, stack].map((at) =>
    at(50),
  ),
)('does the whole work of $name with every contender', async ({ contenders }) => {
  for (const contender of contenders) {
    await expect(contender.run()).resolves.toBeUndefined();
    contender.close?.();
  }
});

it('draws each curve over all sizes', () => {
  const svg = plot([1_000, 10_000], [{ name: 'retry', values: [1, 2] }]);
  expect(svg.match(/<polyline points="[\d.]+,[\d.]+ [\d.]+,[\d.]+"/g)).toHaveLength(1);
  expect(svg).toContain('>10,000</text>');
});
