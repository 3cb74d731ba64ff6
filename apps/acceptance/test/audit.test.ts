import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { describe, expect, it } from 'vitest';
import { Relay, temporaryDirectory } from '../src/relay.ts';
import { servers } from '../src/servers.ts';
import { Gate, Subscriber } from '../src/subscriber.ts';

/** The ids in the audit trail of a relay that has ended. */
function trail(data: string): string[] {
  const database = new DatabaseSync(join(data, 'relay.db'), { readOnly: true });
  try {
    return database
      .prepare('SELECT id FROM audit ORDER BY id')
      .all()
      .map((row) => String(Reflect.get(Object(row), 'id')));
  } finally {
    database.close();
  }
}

describe.each(servers)('audit trail of $name', (server) => {
  it('has exactly one entry for each accepted id, and none for what was refused', async () => {
    const data = await temporaryDirectory();
    const gate = new Gate();
    await using held = await Subscriber.listen(gate.answerer());
    const ids = Array.from({ length: 40 }, (_, n) => `a${String(n).padStart(2, '0')}`);
    let accepted: string[] = [];
    {
      await using relay = await Relay.start(
        server,
        { RELAY_QUEUE_CAPACITY: '20', RELAY_ADMISSION_WAIT_MS: '20' },
        { data },
      );
      const twice = [...ids, ...ids].map((id) => relay.post({ id, url: held.url, payload: id }));
      const answers = await Promise.all(twice);
      accepted = ids.filter((_, at) =>
        [answers[at], answers[at + ids.length]].some((a) => a?.status === 202),
      );
      expect(accepted.length).toBeGreaterThanOrEqual(20);
      expect(accepted.length).toBeLessThan(ids.length);
      gate.open();
      expect(await relay.stop(), relay.process.output).toEqual({ code: 0, signal: null });
    }
    expect(trail(data)).toEqual(accepted);
  });

  it('is completed by the next start after a kill', async () => {
    const data = await temporaryDirectory();
    await using subscriber = await Subscriber.listen();
    const ids = Array.from({ length: 50 }, (_, n) => `k${String(n).padStart(2, '0')}`);
    {
      await using relay = await Relay.start(server, {}, { data });
      await Promise.all(ids.map((id) => relay.post({ id, url: subscriber.url, payload: id })));
      await relay.stop('SIGKILL');
    }
    await using relay = await Relay.start(server, {}, { data });
    for (const id of ids) await relay.settled(id, ({ status }) => status === 'delivered');
    expect(await relay.stop(), relay.process.output).toEqual({ code: 0, signal: null });
    expect(trail(data)).toEqual(ids);
  });
});
