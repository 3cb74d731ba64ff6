import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { eventually, Relay } from '../src/relay.ts';
import { servers } from '../src/servers.ts';
import { Gate, Subscriber } from '../src/subscriber.ts';

/** Posts an event that waits, and returns the function by which the client leaves. */
function postAndWait(relay: Relay, event: object): () => void {
  const body = JSON.stringify(event);
  const sent = request(`${relay.url}/events?wait=delivered`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  });
  sent.on('error', () => undefined);
  sent.end(body);
  return () => sent.destroy();
}

describe.each(servers)('clients that leave, on $name', (server) => {
  it('aborts the scope of a client that leaves during ?wait=delivered, and still delivers the event', async () => {
    const gate = new Gate();
    await using slow = await Subscriber.listen(gate.answerer());
    await using relay = await Relay.start(server, { RELAY_REQUEST_TIMEOUT_MS: '60000' });
    const waitingScopes = async (): Promise<number> => {
      const { text } = await relay.get('/metrics');
      return Number(/^holdfast_scopes\S*\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN);
    };
    const leave = postAndWait(relay, { id: 'left', url: slow.url, payload: 1 });
    await slow.until(({ arrivals }) => arrivals.length === 1);
    expect(await waitingScopes()).toBe(1); // health and metrics need no scope
    leave();
    await eventually(async () => ((await waitingScopes()) === 0 ? true : undefined));
    gate.open();
    const event = await relay.settled('left', ({ status }) => status === 'delivered');
    expect(event['attempts']).toBe(1);
    expect(await relay.stop()).toEqual({ code: 0, signal: null });
  });

  it('keeps every breaker closed when 50 clients leave', async () => {
    const gate = new Gate();
    await using slow = await Subscriber.listen(gate.answerer());
    await using relay = await Relay.start(server, {
      RELAY_CONCURRENCY: '64',
      RELAY_ATTEMPT_TIMEOUT_MS: '30000',
    });
    const ids = Array.from({ length: 50 }, (_, n) => `left-${n}`);
    const leaves = ids.map((id) => postAndWait(relay, { id, url: slow.url, payload: 1 }));
    await slow.until(({ arrivals }) => arrivals.length >= 32);
    for (const leave of leaves) leave();
    gate.open();
    for (const id of ids) {
      const event = await relay.settled(id, ({ status }) => status === 'delivered');
      expect(event['attempts']).toBe(1);
    }
    const { body } = await relay.get('/stats');
    expect(body['breakers']).toEqual({ [slow.origin]: expect.objectContaining({ state: 'closed' }) });
    expect(body['events']).toEqual({ queued: 0, delivering: 0, delivered: 50, failed: 0 });
  });
});
