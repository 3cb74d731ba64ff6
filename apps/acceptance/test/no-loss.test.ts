import { describe, expect, it } from 'vitest';
import { AppProcess } from '../src/app-process.ts';
import { eventually, Relay, temporaryDirectory } from '../src/relay.ts';
import { mainFile, servers, serversByQueue, serversInMemory } from '../src/servers.ts';

const total = 2_000;

describe.each(serversInMemory)('no loss on $name', (server) => {
  it('delivers each of 2 000 events accepted before SIGTERM to a subscriber that fails on a schedule', async () => {
    await using receiver = new AppProcess(mainFile('receiver'), { env: { PORT: '0' } });
    const subscriber = await receiver.url();
    await using relay = await Relay.start(server, {
      RELAY_QUEUE_CAPACITY: '5000',
      RELAY_ORIGIN_CONCURRENCY: '64',
      RELAY_CONCURRENCY: '64',
    });
    const accepted: string[] = [];
    for (let next = 0; next < total; next += 500) {
      const events = Array.from({ length: 500 }, (_, n) => ({
        id: `n${next + n}`,
        url: `${subscriber}/hook`,
        payload: n,
      }));
      const { body } = await relay.send('POST', '/events/batch', { events });
      for (const { id } of body['successes'] as { id: string }[]) accepted.push(id);
    }
    expect(accepted).toHaveLength(total);
    const exit = await relay.stop();
    const report = await relay.report();
    const received = await (await fetch(`${subscriber}/received`)).json();
    expect(received).toMatchObject({ unique: total, duplicates: 0 });
    expect(exit, relay.process.output).toEqual({ code: 0, signal: null });
    expect(report.outcome).toBe('clean');
  });

  it('reports what a short budget leaves in memory, exits 1, and delivers it after the next start', async () => {
    const data = await temporaryDirectory();
    await using receiver = new AppProcess(mainFile('receiver'), {
      env: { PORT: '0', RECEIVER_LATENCY_MS: '200' },
    });
    const subscriber = await receiver.url();
    const ids = Array.from({ length: 200 }, (_, n) => `m${n}`);
    {
      await using relay = await Relay.start(
        server,
        { RELAY_SHUTDOWN_BUDGET_MS: '2500', RELAY_CONCURRENCY: '2' },
        { data },
      );
      const events = ids.map((id) => ({ id, url: `${subscriber}/hook`, payload: 1 }));
      expect(((await relay.send('POST', '/events/batch', { events })).body['successes'] as []).length).toBe(
        200,
      );
      expect(await relay.stop(), relay.process.output).toEqual({ code: 1, signal: null });
      const report = await relay.report();
      expect(report.outcome).toBe('failed');
      expect(report.components['deliveries']).toMatchObject({ drained: false, left: expect.any(Number) });
      expect(report.components['deliveries']?.left).toBeGreaterThan(0);
    }
    await using relay = await Relay.start(server, { RELAY_CONCURRENCY: '64' }, { data });
    for (const id of ids) await relay.settled(id, ({ status }) => status === 'delivered');
    expect(await relay.stop(), relay.process.output).toEqual({ code: 0, signal: null });
    const received = (await (await fetch(`${subscriber}/received`)).json()) as { unique: number };
    expect(received.unique).toBe(200);
  });
});

describe.each(servers)('no loss on $name with a queue that outlives it', (server) => {
  it('leaves to the next start what SIGTERM finds of 2 000 events, exits 0, and loses and repeats none', async () => {
    const data = await temporaryDirectory();
    await using receiver = new AppProcess(mainFile('receiver'), { env: { PORT: '0' } });
    const subscriber = await receiver.url();
    const env = {
      RELAY_QUEUE_CAPACITY: '5000',
      RELAY_ORIGIN_CONCURRENCY: '64',
      RELAY_CONCURRENCY: '64',
    };
    {
      await using relay = await Relay.start(server, env, { data });
      for (let next = 0; next < total; next += 500) {
        const events = Array.from({ length: 500 }, (_, n) => ({
          id: `n${next + n}`,
          url: `${subscriber}/hook`,
          payload: n,
        }));
        const { body } = await relay.send('POST', '/events/batch', { events });
        expect(body['successes']).toHaveLength(500);
      }
      expect(await relay.stop(), relay.process.output).toEqual({ code: 0, signal: null });
      expect((await relay.report()).outcome).toBe('clean');
    }
    await using relay = await Relay.start(server, env, { data });
    await eventually(async () => {
      const { delivered } = (await relay.get('/stats')).body['events'] as Record<string, number>;
      return delivered === total ? true : undefined;
    });
    const received = await (await fetch(`${subscriber}/received`)).json();
    expect(received).toMatchObject({ unique: total, duplicates: 0 });
  });
});

describe.each(serversByQueue)('a kill of $name', (server) => {
  const env = { RELAY_LEASE_MS: '500' };

  it('leaves events that the next start finds and delivers', async () => {
    const data = await temporaryDirectory();
    await using receiver = new AppProcess(mainFile('receiver'), {
      env: { PORT: '0', RECEIVER_LATENCY_MS: '50' },
    });
    const subscriber = await receiver.url();
    const ids = Array.from({ length: 100 }, (_, n) => `k${n}`);
    {
      await using relay = await Relay.start(server, { ...env, RELAY_CONCURRENCY: '2' }, { data });
      await Promise.all(ids.map((id) => relay.post({ id, url: `${subscriber}/hook`, payload: 1 })));
      expect(await relay.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
    }
    await using relay = await Relay.start(server, { ...env, RELAY_CONCURRENCY: '64' }, { data });
    for (const id of ids) await relay.settled(id, ({ status }) => status === 'delivered');
    const received = (await (await fetch(`${subscriber}/received`)).json()) as { unique: number };
    expect(received.unique).toBe(100);
  });
});
