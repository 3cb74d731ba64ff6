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

  it('are complete after a crash, though more is left than the queue can hold', async () => {
    await using slow = await subscribe(30);
    const accepted: string[] = [];
    for (const round of [1, 2]) {
      await using relay = new Program(main, data, { RELAY_CONCURRENCY: '1' });
      accepted.push(...(await post(relay, slow.url, names(`r${round}-`, 25))));
      await relay.stop('SIGKILL');
    }
    expect(accepted).toHaveLength(50);
    await using relay = new Program(main, data, { RELAY_QUEUE_CAPACITY: '3', RELAY_CONCURRENCY: '16' });
    await expect
      .poll(async () => (await relay.ask('/stats')).body, { timeout: 20_000 })
      .toMatchObject({ events: { queued: 0, delivering: 0, delivered: 50, failed: 0 } });
    expect(await relay.stop('SIGTERM'), relay.stdout + relay.stderr).toEqual([0, null]);
    expect(column('SELECT id FROM audit ORDER BY id')).toEqual(accepted.toSorted());
    expect(new Set(slow.ids)).toEqual(new Set(accepted));
  });

  it('keep a second relay out of the directory', async () => {
    await using first = new Program(main, data);
    await first.url;
    await using second = new Program(main, data);
    second.url.catch(() => undefined);
    expect(await second.ended).toEqual([1, null]);
    expect(second.stderr).toBe(`${data} is in use by another relay\n`);
  });
});
