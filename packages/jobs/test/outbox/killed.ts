/** Forwarders that are killed: real processes, and a queue that outlives them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { JobQueue } from '@holdfast/core';
import { expect, it } from 'vitest';
import { loadEngines } from '../../src/index.ts';

/** An outbox that other processes can forward. */
export interface KilledOutbox {
  /** What the process is told of the database. */
  readonly database: { readonly file: string } | { readonly postgres: string };
  /** Commits one job in a transaction of its own. */
  readonly write: (n: number) => Promise<void>;
  readonly rows: () => Promise<number>;
}

interface Forwarding extends AsyncDisposable {
  readonly ended: Promise<unknown>;
}

async function forwarding(settings: object): Promise<Forwarding> {
  const file = fileURLToPath(new URL('forwarder.mjs', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('close', (_code, signal) => resolve(signal)));
  await Promise.race([once(child.stdout, 'data'), ended]);
  return {
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Declares the tests. */
export function killedForwarders(fresh: () => Promise<KilledOutbox>, jobsUrl: () => string): void {
  it('hands over again what a forwarder had handed over when it was killed, and the queue drops the second one', async () => {
    const { database, write, rows } = await fresh();
    const jobs = jobsUrl();
    const name = `mails-${Date.now()}`;
    for (let n = 0; n < 3; n += 1) await write(n);
    await using queue = new JobQueue<number>({ name, url: jobs, engines: await loadEngines(jobs) });
    await queue.open();
    const dies = await forwarding({ ...database, jobs, name, dies: true, leaseMs: 500 });
    expect(await dies.ended).toBe('SIGKILL');
    expect(await queue.stats()).toMatchObject({ waiting: 3 });
    expect(await rows()).toBe(3);

    await using _ = await forwarding({ ...database, jobs, name, dies: false, leaseMs: 500 });
    await expect.poll(() => rows()).toBe(0);
    expect(await queue.stats()).toMatchObject({ waiting: 3 });
  });

  it('loses nothing when forwarders are killed again and again', async () => {
    const { database, write, rows } = await fresh();
    const jobs = jobsUrl();
    const name = `mails-${Date.now()}`;
    await using queue = new JobQueue<number>({ name, url: jobs, engines: await loadEngines(jobs) });
    await queue.open();
    const settings = { ...database, jobs, name, dies: false, leaseMs: 300 };
    let written = 0;
    const ended = new AbortController();
    const writer = (async () => {
      while (!ended.signal.aborted) {
        await write(written);
        written += 1;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    for (let kills = 0; kills < 5; kills += 1) {
      const before = Number((await queue.stats())['depth']);
      const one = await forwarding(settings);
      await expect.poll(async () => Number((await queue.stats())['depth'])).toBeGreaterThan(before);
      await one[Symbol.asyncDispose]();
    }
    ended.abort();
    await writer;
    await using _ = await forwarding(settings);
    await expect.poll(() => rows()).toBe(0);
    const seen: number[] = [];
    queue.consume((n) => void seen.push(n), { concurrency: 10 });
    await expect.poll(() => new Set(seen).size).toBe(written);
    // nobody consumed meanwhile, so the queue could drop every second one
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: written }, (_, index) => index));
  }, 60_000);
}
