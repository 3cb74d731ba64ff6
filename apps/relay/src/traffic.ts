/**
 * A trickle of events for demonstrations, as a program: a producer loop makes them, a consumer posts them to a relay. On a signal
 * the producer stops first, and what it has made is still posted. `RELAY_URL` and `SUBSCRIBER_URL` say from where to where.
 */
import { BoundedQueue, Service, sleep } from '@holdfast/core';
import { runMain } from '@holdfast/node';

interface DemoEvent {
  readonly url: string;
  readonly payload: unknown;
}

const { RELAY_URL = 'http://127.0.0.1:3000', SUBSCRIBER_URL = 'http://127.0.0.1:4000/hook' } = process.env;
const PAUSE_MS = 250;

const service = new Service({ name: 'traffic' });
const events = service.own(new BoundedQueue<DemoEvent>({ name: 'events', capacity: 10 }));

let made = 0;
events.produce(async ({ signal }) => {
  await sleep(PAUSE_MS, { signal });
  made += 1;
  return { url: SUBSCRIBER_URL, payload: { number: made, at: new Date().toISOString() } };
});
events.consume(async (event, { signal }) => {
  const response = await fetch(`${RELAY_URL}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
    signal,
  });
  await response.arrayBuffer();
  if (!response.ok) console.log(`the relay answered ${response.status}`);
});

await runMain(service);
