/// <reference lib="esnext.disposable" />
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Program } from './program.ts';
import { subscribe } from './subscriber.ts';

const main = new URL('../../relay-express/dist/main.js', import.meta.url);
let data: string;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'relay-accounts-'));
});

afterEach(() => {
  rmSync(data, { recursive: true, force: true });
});

const queues = ['memory:', 'sqlite:'];

/** The queue's file in the hands of somebody who does not let go: whoever writes to it waits. */
function stalled(): Disposable & { readonly jobs: unknown } {
  const database = new DatabaseSync(join(data, 'jobs.db'));
  database.exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE');
  return {
    get jobs() {
      return Object.values(database.prepare('SELECT count(*) FROM holdfast_jobs').get() ?? {})[0];
    },
    [Symbol.dispose]() {
      database.exec('ROLLBACK'); // a statement that is still there would keep the lock
      database.close();
    },
  };
}

/** A column of a table of the store, while no relay has it. */
function column(sql: string): unknown[] {
  const database = new DatabaseSync(join(data, 'relay.db'));
  const values = database
    .prepare(sql)
    .all()
    .map((row) => Object.values(row)[0]);
  database.close();
  return values;
}

/** Posts events of these ids, all at once; the ones that were accepted. */
async function post(relay: Program, url: string, ids: readonly string[]): Promise<string[]> {
  const answers = await Promise.all(ids.map((id) => relay.ask('/events', { id, url, payload: id })));
  return ids.filter((_, n) => answers[n]?.status === 202);
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`);
}

describe('the accounts of a relay', { timeout: 30_000 }, () => {
  it('have one audit entry for each event accepted, and none for one refused', async () => {
    await using slow = await subscribe(20);
    await using relay = new Program(main, data, {
      RELAY_QUEUE: 'memory:',
      RELAY_QUEUE_CAPACITY: '4',
      RELAY_CONCURRENCY: '2',
      RELAY_ADMISSION_WAIT_MS: '50',
    });
    const accepted = await post(relay, slow.url, names('e', 60));
    await post(relay, slow.url, accepted);
    expect(accepted.length).toBeLessThan(60);
    expect(await relay.stop('SIGTERM'), relay.stdout + relay.stderr).toEqual([0, null]);
    expect(column('SELECT id FROM audit ORDER BY id')).toEqual(accepted.toSorted());
    expect(column('SELECT id FROM events ORDER BY id')).toEqual(accepted.toSorted());
    expect([...slow.ids].toSorted()).toEqual(accepted.toSorted());
  });

  it.each(queues)('are complete after a crash, though more is left than %s can hold', async (queue) => {
    await using slow = await subscribe(30);
    const accepted: string[] = [];
    const env = { RELAY_QUEUE: queue, RELAY_LEASE_MS: '500' };
    for (const round of [1, 2]) {
      await using relay = new Program(main, data, { ...env, RELAY_CONCURRENCY: '1' });
      accepted.push(...(await post(relay, slow.url, names(`r${round}-`, 25))));
      await relay.stop('SIGKILL');
    }
    expect(accepted).toHaveLength(50);
    await using relay = new Program(main, data, {
      ...env,
      RELAY_QUEUE_CAPACITY: '3',
      RELAY_CONCURRENCY: '16',
    });
    await expect
      .poll(async () => (await relay.ask('/stats')).body, { timeout: 20_000 })
      .toMatchObject({ events: { queued: 0, delivering: 0, delivered: 50, failed: 0 } });
    expect(await relay.stop('SIGTERM'), relay.stdout + relay.stderr).toEqual([0, null]);
    expect(column('SELECT id FROM audit ORDER BY id')).toEqual(accepted.toSorted());
    expect(new Set(slow.ids)).toEqual(new Set(accepted));
  });

  it('take in an event that was stored when its relay was killed, but not queued', async () => {
    await using subscriber = await subscribe();
    const event = { id: 'between', url: subscriber.url, payload: 1 };
    {
      await using relay = new Program(main, data);
      await relay.url;
      using engine = stalled();
      const answer = relay.ask('/events', event).catch((error: unknown) => error);
      await expect.poll(async () => (await relay.ask('/events/between')).status).toBe(200);
      await relay.stop('SIGKILL');
      expect(await answer).toBeInstanceOf(TypeError);
      expect(engine.jobs).toBe(0);
    }
    await using relay = new Program(main, data);
    await expect
      .poll(async () => (await relay.ask('/events/between')).body)
      .toMatchObject({ status: 'delivered', attempts: 1 });
    expect(await relay.ask('/events', event)).toMatchObject({ status: 202, body: { status: 'delivered' } });
    expect(subscriber.ids).toEqual(['between']);
    expect(await relay.stop('SIGTERM'), relay.stdout + relay.stderr).toEqual([0, null]);
    expect(column('SELECT id FROM audit')).toEqual(['between']);
  });

  it('are one for relays that share a queue: each event is sent once, and all can say what became of it', async () => {
    await using slow = await subscribe(20);
    const env = { RELAY_CONCURRENCY: '4' };
    await using one = new Program(main, data, env);
    await using other = new Program(main, data, env);
    const ids = names('e', 60);
    const accepted = await Promise.all([
      post(one, slow.url, ids.slice(0, 40)),
      post(other, slow.url, ids.slice(20)),
    ]);
    expect(accepted.map((of) => of.length)).toEqual([40, 40]);
    const waited = await Promise.all(
      [one, other].map((relay) =>
        relay.ask('/events?wait=delivered', { id: 'w', url: slow.url, payload: 'w' }),
      ),
    );
    expect(waited.map(({ body }) => body)).toEqual([1, 2].map(() => ({ id: 'w', status: 'delivered' })));
    for (const relay of [one, other])
      await expect
        .poll(async () => (await relay.ask('/stats')).body)
        .toMatchObject({
          events: { queued: 0, delivering: 0, delivered: 61, failed: 0 },
          queue: { depth: 0 },
        });
    expect(slow.ids.toSorted()).toEqual([...ids, 'w'].toSorted());
    for (const relay of [one, other])
      expect(await relay.stop('SIGTERM'), relay.stdout + relay.stderr).toEqual([0, null]);
    expect(column('SELECT id FROM audit ORDER BY id')).toEqual([...ids, 'w'].toSorted());
  });

  it('stay with the queue at a shutdown where it outlives the relay, which still ends clean', async () => {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    await using slow = await subscribe(opened);
    const env = { RELAY_CONCURRENCY: '2' };
    {
      await using relay = new Program(main, data, env);
      const accepted = await post(relay, slow.url, names('e', 20));
      expect(accepted).toHaveLength(20);
      await expect.poll(() => slow.ids).toHaveLength(2);
      const waiting = relay.ask('/events?wait=delivered', { id: 'w', url: slow.url, payload: 1 });
      await expect.poll(async () => (await relay.ask('/events/w')).status).toBe(200);
      const ended = relay.stop('SIGTERM');
      await expect.poll(async () => relay.ask('/readyz').catch(() => 'closed')).toBe('closed');
      open();
      expect(await waiting).toMatchObject({ status: 202, body: { id: 'w', status: 'queued' } });
      expect(await ended, relay.stdout + relay.stderr).toEqual([0, null]);
      expect(relay.stdout).toMatch(/"deliveries":\{"drained":true,"left":0/);
      expect(relay.stdout).not.toMatch(/\d\.\d\d/); // durations are for people
    }
    expect(slow.ids).toHaveLength(2);
    await using relay = new Program(main, data, env);
    await expect
      .poll(async () => (await relay.ask('/stats')).body)
      .toMatchObject({ events: { queued: 0, delivering: 0, delivered: 21 } });
    expect(slow.ids.toSorted()).toEqual([...names('e', 20), 'w'].toSorted());
  });

  it('keep a second relay out of the directory where the queue is in memory', async () => {
    await using first = new Program(main, data, { RELAY_QUEUE: 'memory:' });
    await first.url;
    for (const queue of queues) {
      await using second = new Program(main, data, { RELAY_QUEUE: queue });
      second.url.catch(() => undefined);
      expect(await second.ended).toEqual([1, null]);
      expect(second.stderr).toBe(`${data} is in use by another relay\n`);
    }
  });

  it('are refused while the store takes nothing, and the relay is ready again without being asked to write', async () => {
    await using relay = new Program(main, data);
    const event = { url: 'http://127.0.0.1:9/', payload: 1 };
    await relay.url;
    const database = new DatabaseSync(join(data, 'relay.db'));
    database.exec("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no room'); END");
    const readiness = async () => (await relay.ask('/readyz')).body;

    expect(await relay.ask('/events', event)).toMatchObject({ status: 500 });
    expect((await relay.ask('/stats')).status).toBe(200); // what was written can still be read
    expect(await readiness()).toMatchObject({ components: { store: { status: 'down', detail: 'no room' } } });
    database.exec('DROP TRIGGER full');
    database.close();
    await expect.poll(readiness, { timeout: 15_000 }).toMatchObject({ status: 'up' });
    expect((await relay.ask('/events', event)).status).toBe(202);
  });
});
