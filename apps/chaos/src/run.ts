/// <reference lib="esnext.disposable" />
/**
 * One run: events are posted at a steady pace until all are accepted, while the relay is killed every few seconds and the engine
 * every ten; then nobody is killed any more, and every accepted event has to arrive. Every third time the relay is killed between
 * its store's commit and the enqueue: the engine takes nothing, an event is posted and seen in the store, and the relay dies.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWatchdog } from '@holdfast/conformance/engines';
import { between, random } from './random.ts';
import { Receiver } from './receiver.ts';
import { UndyingRelay } from './relay.ts';
import type { EngineKind, Victim } from './victim.ts';

/** What a run cost. */
export interface Result {
  readonly engine: string;
  readonly events: number;
  readonly accepted: number;
  /** Accepted, or stored when their relay died, and never delivered. */
  readonly lost: readonly string[];
  readonly duplicates: number;
  /** Calls that the receiver made to fail. */
  readonly refused: number;
  readonly relayKills: number;
  /** Those of them between the store's commit and the enqueue. */
  readonly between: number;
  /** `undefined` where the engine has no process. */
  readonly engineKills: number | undefined;
  readonly seconds: number;
  /** Exit code of the relay's last end. */
  readonly exitCode: number | null;
  /** What the store says at the end. */
  readonly store: unknown;
}

/** How a run is made. */
export interface RunOptions {
  readonly events: number;
  readonly seed: number;
}

const EVENTS_PER_SECOND = 200;
const SHORTEST_S = 12;
const BATCH = 20;
const RELAY_KILL_MS = { from: 2_000, to: 4_000 };
const ENGINE_KILL_MS = 10_000;
const ENGINE_DOWN_MS = { from: 200, to: 1_000 };
/** How long nothing may arrive before what is missing counts as lost, in milliseconds. */
const STALLED_MS = 60_000;

/** Runs once against `kind`. */
export async function run(kind: EngineKind, { events, seed }: RunOptions): Promise<Result> {
  const data = await mkdtemp(join(tmpdir(), 'chaos-'));
  await using watchdog = startWatchdog(data); // removes it at the end, whichever way that comes
  await using victim = await kind.start(data);
  await using receiver = await Receiver.listen(seed);
  await using relay = new UndyingRelay(watchdog, {
    PORT: '0',
    RELAY_QUEUE: victim.url,
    RELAY_DATA: data,
    RELAY_MAX_ATTEMPTS: '1000',
    RELAY_RETRY_BASE_MS: '20',
    RELAY_RETRY_MAX_MS: '200',
    RELAY_QUEUE_CAPACITY: '5000',
    RELAY_LEASE_MS: '2000',
    RELAY_CONCURRENCY: '32',
  });
  return await attack({ kind, victim, receiver, relay, events, seed });
}

interface Scene {
  readonly kind: EngineKind;
  readonly victim: Victim;
  readonly receiver: Receiver;
  readonly relay: UndyingRelay;
  readonly events: number;
  readonly seed: number;
}

async function attack(scene: Scene): Promise<Result> {
  const { kind, victim, receiver, relay, events, seed } = scene;
  const startedAt = performance.now();
  const ids = Array.from({ length: events }, (_, n) => `e${n}`);
  receiver.plan(ids);
  const over = new AbortController();
  const attacks = [attackRelay(scene, over.signal), attackEngine(victim, seed, over.signal)] as const;
  await post(scene, ids);
  over.abort();
  const [{ kills, marked }, engineKills] = await Promise.all(attacks);
  const owed = [...ids, ...marked];
  await arrival(receiver, owed);
  // what was delivered may not be in the store yet
  await settled(relay);
  const stats = await relay.ask('/stats');
  return {
    engine: kind.name,
    events,
    accepted: ids.length,
    lost: owed.filter((id) => !receiver.has(id)),
    duplicates: receiver.duplicates,
    refused: receiver.refused,
    relayKills: kills,
    between: marked.length,
    engineKills: victim.control === undefined ? undefined : engineKills,
    seconds: Math.round((performance.now() - startedAt) / 1_000),
    exitCode: await relay.stop(),
    store: Object(stats?.body)['events'],
  };
}

/** Posts all, in batches at a steady pace; what was not accepted is posted again. */
async function post({ relay, receiver, events }: Scene, ids: readonly string[]): Promise<void> {
  const lastsMs = Math.max(SHORTEST_S, events / EVENTS_PER_SECOND) * 1_000;
  const startedAt = performance.now();
  const posting: Promise<void>[] = [];
  for (let from = 0; from < ids.length; from += BATCH) {
    await sleep(startedAt + (from / ids.length) * lastsMs - performance.now());
    posting.push(postUntilAccepted(relay, receiver.url, ids.slice(from, from + BATCH)));
  }
  await Promise.all(posting);
}

async function postUntilAccepted(relay: UndyingRelay, url: string, ids: readonly string[]): Promise<void> {
  let left = ids;
  while (left.length > 0) {
    const answer = await relay.ask('/events/batch', { events: left.map((id) => ({ id, url, payload: id })) });
    const { successes = [] } = Object(answer?.body) as {
      readonly successes?: readonly { readonly id: string }[];
    };
    const accepted = new Set(successes.map(({ id }) => id));
    left = left.filter((id) => !accepted.has(id));
    if (left.length > 0) await sleep(100);
  }
}

async function attackRelay(
  { relay, receiver, victim, seed }: Scene,
  over: AbortSignal,
): Promise<{ readonly kills: number; readonly marked: readonly string[] }> {
  const numbers = random(seed + 1);
  const marked: string[] = [];
  let kills = 0;
  for (let turn = 1; !over.aborted; turn += 1) {
    await sleep(between(numbers, RELAY_KILL_MS.from, RELAY_KILL_MS.to), over);
    if (over.aborted) break;
    if (turn % 3 !== 0) {
      if (relay.kill()) kills += 1;
      continue;
    }
    const id = `between${turn}`;
    if (!(await killBetween(relay, victim, { id, url: receiver.url, payload: id }))) continue;
    kills += 1;
    marked.push(id);
  }
  return { kills, marked };
}

/** Whether the relay was killed when the event was in its store, and not in its queue. */
async function killBetween(
  relay: UndyingRelay,
  victim: Victim,
  event: { readonly id: string; readonly url: string; readonly payload: string },
): Promise<boolean> {
  using _ = victim.hold();
  void relay.ask('/events', event);
  for (let tries = 0; tries < 100; tries += 1) {
    const answer = await relay.ask(`/events/${event.id}`);
    if (answer === undefined) return false; // it was not there
    if (answer.status === 200) return relay.kill();
    await sleep(5);
  }
  return false;
}

async function attackEngine({ control }: Victim, seed: number, over: AbortSignal): Promise<number> {
  const numbers = random(seed + 2);
  let kills = 0;
  if (control === undefined) return kills;
  while (!over.aborted) {
    await sleep(ENGINE_KILL_MS, over);
    if (over.aborted) break;
    await control.kill();
    kills += 1;
    await sleep(between(numbers, ENGINE_DOWN_MS.from, ENGINE_DOWN_MS.to));
    await control.start();
  }
  return kills;
}

/** Waits until all have arrived, or nothing has for long. */
async function arrival(receiver: Receiver, ids: readonly string[]): Promise<void> {
  let seen = receiver.unique;
  let at = performance.now();
  while (ids.some((id) => !receiver.has(id)) && performance.now() - at < STALLED_MS) {
    await sleep(100);
    if (receiver.unique === seen) continue;
    seen = receiver.unique;
    at = performance.now();
  }
}

/** Waits until the store has nothing left to deliver, or nothing has changed for long. */
async function settled(relay: UndyingRelay): Promise<void> {
  for (const until = performance.now() + STALLED_MS; performance.now() < until;) {
    const { queued, delivering } = Object(Object((await relay.ask('/stats'))?.body)['events']) as Record<
      string,
      number
    >;
    if (queued === 0 && delivering === 0) return;
    await sleep(100);
  }
}

/** Sleeps; shorter where `signal` aborts. */
function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    signal?.addEventListener('abort', done);
  });
}
