/** Hosts whose clocks disagree. An engine that is harmed by it does not let them in; one host has one clock. */
import { sleep } from '@holdfast/core';
import { expect } from 'vitest';
import { Log, type EngineCase, type Place } from './engine-under-test.ts';
import type { WorkerProcess } from './worker-process.ts';

const MINUTE_MS = 60_000;

/** What the process says first: whether it was let in. */
async function admitted(worker: WorkerProcess, said: string): Promise<boolean> {
  const line = await Promise.race([worker.line(said), worker.line('refused')]);
  if (line.startsWith(said)) return true;
  expect(line).toBe('refused UNSAFE_ENGINE');
  return false;
}

/** Whether hosts do not share this engine: then there is nothing to see here. */
function isOfOneHost(place: Place): boolean {
  return place.queue().capabilities.reach !== 'network';
}

function skewed(ahead: boolean): EngineCase {
  const clockMs = ahead ? MINUTE_MS : -MINUTE_MS;
  const which = ahead ? 'ahead' : 'behind';
  return {
    sentence: `delivers at once what comes from, or goes to, a host whose clock is a minute ${which}`,
    run: async (place) => {
      if (isOfOneHost(place)) return;
      const queue = place.queue();
      const seen = new Log<string>();
      const loop = queue.consume((_, { id, queueDelayMs }) => {
        expect(queueDelayMs).toBeGreaterThanOrEqual(0);
        seen.add(id);
      });
      await queue.open();
      const producer = place.process({ task: 'produce', clockMs });
      if (producer !== undefined && (await admitted(producer, 'accepted produced-5'))) {
        await seen.reached(6);
        await producer.kill();
      }
      await loop.stop();
      const worker = place.process({ task: 'finish', clockMs });
      if (worker !== undefined && (await admitted(worker, 'consuming'))) {
        await queue.enqueue('a', { id: 'mine' });
        await worker.line('finished mine 1');
      }
    },
  };
}

export const clockCases: readonly EngineCase[] = [
  skewed(true),
  skewed(false),
  {
    sentence: 'leaves a job to its worker when another host’s clock is a minute ahead',
    run: async (place) => {
      if (isOfOneHost(place)) return;
      const lease = { leaseMs: 1_000, crashRedeliveryMs: 1_500 };
      const queue = place.queue<string>();
      await queue.enqueue('a', { id: 'a' });
      const holder = place.process({ task: 'hang', ...lease });
      await holder?.line('started a 1');
      const thief = place.process({ task: 'finish', clockMs: MINUTE_MS, ...lease });
      if (thief === undefined) return;
      const { leaseClock } = queue.capabilities;
      expect(await admitted(thief, 'consuming')).toBe(leaseClock === 'server');
      await sleep(3_000);
      expect(thief.lines.filter((line) => line.startsWith('started'))).toEqual([]);
      expect(holder?.lines).toEqual(['consuming', 'started a 1']);
    },
  },
  {
    sentence: 'keeps a delay by its own clock, if it says that the clock is its own',
    run: async (place) => {
      if (isOfOneHost(place) || place.queue().capabilities.delayClock !== 'server') return;
      const queue = place.queue();
      const seen = new Log<[string, number]>();
      queue.consume((_, { id }) => seen.add([id, performance.now()]));
      await queue.open();
      for (const clockMs of [MINUTE_MS, -MINUTE_MS]) {
        const producer = place.process({ task: 'delay', clockMs });
        if (producer === undefined || !(await admitted(producer, 'accepted'))) continue;
        const acceptedAt = performance.now();
        const before = seen.entries.length;
        await seen.reached(before + 1);
        const waitedMs = Number(seen.entries.at(-1)?.[1]) - acceptedAt;
        // it was told a little later than it was accepted
        expect(waitedMs).toBeGreaterThan(500);
        expect(waitedMs).toBeLessThan(10_000);
      }
    },
  },
];
