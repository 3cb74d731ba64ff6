/** What is NATS's own; what it has in common with every engine is in the suite. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { natsServer, onServer, type ServerInUse } from '@holdfast/conformance';
import { JobQueue, sleep, subscribe, type JobQueueOptions } from '@holdfast/core';
import { nats } from '@holdfast/jobs-nats';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Wire } from '../../src/engines/wire.ts';
import { connectTo } from '../../../jobs-nats/src/client.ts';
import type { Client } from '../../../jobs-nats/src/link.ts';
import { readLocation } from '../../../jobs-nats/src/location.ts';
import { isOlder, readVersion } from '../../../jobs-nats/src/version.ts';

const listening = subscribe(() => {});
afterAll(() => listening[Symbol.dispose]());

const PATIENT = { timeout: 10_000 };
const opened: AsyncDisposable[] = [];
let places = 0;

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function queueAt<T = unknown>(url: string, options: Partial<JobQueueOptions> = {}): JobQueue<T> {
  const queue = new JobQueue<T>({ name: 'q', url, engines: [nats], ...options });
  opened.push({
    [Symbol.asyncDispose]: async () => {
      queue.cancel();
      await queue[Symbol.asyncDispose]();
    },
  });
  return queue;
}

/** The server, as its own client sees it. */
async function clientAt(url: string): Promise<Client> {
  const client = await connectTo(readLocation(new URL(url)));
  opened.push({ [Symbol.asyncDispose]: () => client.connection.close() });
  return client;
}

onServer(natsServer, (server: ServerInUse) => {
  const place = (): { readonly url: string; readonly namespace: string } => {
    const namespace = `own-${process.pid}-${(places += 1)}`;
    return { url: `${server.url}/${namespace}`, namespace };
  };

  const streamOf = (namespace: string): string => `${namespace}_jobs_q`;

  it('drops nothing of a queue that is told to be shorter than it is', async () => {
    const { url } = place();
    const queue = queueAt<number>(url);
    await queue.enqueueMany(Array.from({ length: 20 }, (_, payload) => ({ payload })));
    const other = queueAt<number>(url, { maxDepth: 5, overflow: 'reject' });
    await expect(other.enqueue(20)).rejects.toMatchObject({ code: 'QUEUE_FULL', capacity: 5 });
    expect(await queue.stats()).toMatchObject({ depth: 20 });
  });

  it('works on a message that somebody else has put in, and shows it where it dies', async () => {
    const { url, namespace } = place();
    const queue = queueAt(url, { retry: { baseDelayMs: 1, maxDelayMs: 1 } });
    await queue.open();
    await queue.stats();
    const { stream, newHeaders } = await clientAt(url);
    await stream.publish(`${namespace}.jobs.q`, '{"to":"ada"}');
    const headers = newHeaders();
    headers.set('Holdfast-Job', '{"id":7}');
    await stream.publish(`${namespace}.jobs.q`, 'no JSON', { headers });
    const seen: unknown[] = [];
    queue.consume((payload, ctx) => {
      seen.push([payload, ctx.id, ctx.attempt, ctx.maxRetries]);
      throw new Error('no');
    });
    await expect.poll(() => queue.deadLetters.list(), PATIENT).toHaveLength(2);
    expect(seen).toEqual([1, 2, 3, 4].map((attempt) => [{ to: 'ada' }, 'message-1', attempt, 3]));
    const letters = await queue.deadLetters.list();
    expect(letters.map(({ id, payload, attempts }) => [id, payload, attempts])).toEqual(
      expect.arrayContaining([
        ['message-1', { to: 'ada' }, 4],
        ['message-2', 'no JSON', 1],
      ]),
    );
  });

  it('takes a batch once whose connection is cut on the way, and leaves no listener for each job of it', async () => {
    const { url } = place();
    const wire = await Wire.to(url);
    opened.push(wire);
    const queue = queueAt<number>(wire.url);
    await queue.stats();
    const ids = Array.from({ length: 2_000 }, (_, n) => `job-${n}`);
    const batch = queue.enqueueMany(ids.map((id, payload) => ({ id, payload })));
    const other = queueAt<number>(url);
    await expect.poll(async () => Number((await other.stats())['depth']), PATIENT).toBeGreaterThan(0);
    wire.cut();
    expect((await batch).map(({ id }) => id)).toEqual(ids);
    expect(await other.stats()).toMatchObject({ depth: ids.length });
  });

  it('does not say of a job that may have arrived that it was not accepted', async () => {
    const { url } = place();
    const wire = await Wire.to(url);
    opened.push(wire);
    const driver = nats.connect(new URL(wire.url));
    await driver.open({});
    await driver.counts('q');
    wire.hold();
    const job = {
      id: 'a',
      body: '1',
      headers: {},
      delayMs: 0,
      priority: 'normal',
      enqueuedAt: 0,
      maxRetries: 0,
    } as const;
    const enqueued = driver.enqueue('q', [job], { maxDepth: Infinity }).catch((error: unknown) => error);
    // by then it is on its way
    await new Promise((resolve) => setImmediate(resolve));
    await driver.close();
    expect(await enqueued).toMatchObject({ code: 'ENQUEUE_TIMEOUT' });
  });

  it.each([
    [{ storage: 'memory' }, 'storage is memory'],
    [{ retention: 'limits' }, 'retention is limits'],
    [{ discard: 'old' }, 'discard is old'],
    [{ max_age: 1e12 }, 'messages expire'],
  ] as const)('refuses a stream that loses jobs: %j', async (wrong, reason) => {
    const { url, namespace } = place();
    const { manager } = await clientAt(url);
    await manager.streams.add({
      name: streamOf(namespace),
      subjects: [`${namespace}.jobs.q`],
      retention: 'workqueue',
      discard: 'new',
      ...wrong,
    });
    await expect(queueAt(url).enqueue(1)).rejects.toMatchObject({
      code: 'UNSAFE_ENGINE',
      message: expect.stringContaining(reason),
    });
  });

  it('takes a stream with a limit where the server keeps what is oldest, and says when it is full', async () => {
    const { url, namespace } = place();
    const { manager, connection } = await clientAt(url);
    await manager.streams.add({
      name: streamOf(namespace),
      subjects: [`${namespace}.jobs.q`],
      retention: 'workqueue',
      discard: 'new',
      max_msgs: 2,
    });
    const queue = queueAt(url, { overflow: 'reject' });
    if (isOlder(readVersion(connection.info?.version ?? ''), [2, 10, 6])) {
      await expect(queue.enqueue(1)).rejects.toMatchObject({
        code: 'UNSAFE_ENGINE',
        message: expect.stringContaining('max_msgs'),
      });
      return;
    }
    await queue.enqueue(1);
    await queue.enqueue(2);
    await expect(queue.enqueue(3)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  });

  it('finds a server among several hosts', async () => {
    const { url } = place();
    const several = url.replace('127.0.0.1', '127.0.0.2,127.0.0.1');
    expect(await queueAt(several).enqueue(1)).toMatchObject({ status: 'enqueued' });
  });

  it.skipIf(server.foreign !== undefined).each([
    [['--user', 'ada', '--pass', 'a/b:c'], 'ada:a%2Fb%3Ac@', 'ada:wrong@'],
    [['--auth', 'to-ken'], 'to-ken@', 'wrong@'],
  ] as const)('shows who it is to a server that asks: %j', async (args, right, wrong) => {
    const own = await natsServer.start(args);
    opened.push(own);
    const urlOf = (who: string): string => own.url.replace('//', `//${who}`);
    expect(await queueAt(urlOf(right)).enqueue(1)).toMatchObject({ status: 'enqueued' });
    for (const who of [wrong, '']) {
      const refused: unknown = await queueAt(urlOf(who))
        .open()
        .catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
      expect(String(refused)).not.toContain('wrong');
    }
  });

  it.skipIf(server.foreign !== undefined)('refuses a server without JetStream', async () => {
    const own = await natsServer.start(['-js=false']);
    opened.push(own);
    await expect(queueAt(own.url).open()).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('JetStream'),
    });
  });

  it('makes the streams anew where somebody has deleted them, and goes on', async () => {
    const { url, namespace } = place();
    const [producer, consumer] = [queueAt<number>(url), queueAt<number>(url)];
    const started: number[] = [];
    consumer.consume((payload) => void started.push(payload));
    await producer.enqueue(1);
    await expect.poll(() => started, PATIENT).toEqual([1]);
    const { manager } = await clientAt(url);
    await manager.streams.delete(streamOf(namespace));
    await expect
      .poll(() => producer.enqueue(2).catch(() => {}), PATIENT)
      .toMatchObject({ status: 'enqueued' });
    await expect.poll(() => started, PATIENT).toEqual([1, 2]);
  });

  it('gives each consumer the lease it asked for, though they share one', { timeout: 15_000 }, async () => {
    const { url, namespace } = place();
    const patient = queueAt<number>(url);
    const loop = patient.consume(() => {}, { leaseMs: 60_000 });
    await patient.enqueue(0);
    await expect.poll(async () => (await patient.stats())['completed'], PATIENT).toBe(1);
    await loop.stop();
    await patient.enqueue(1);
    const crashed = nats.connect(new URL(url));
    await crashed.open({});
    const lease = { concurrency: 1, leaseMs: 1_000, crashRedeliveryMs: 2_000 };
    await new Promise((resolve) => void crashed.consume('q', lease, resolve));
    const started: number[] = [];
    queueAt<number>(url).consume((_, { attempt }) => void started.push(attempt), { leaseMs: 1_000 });
    // lets go of the job without an outcome
    await crashed.close();
    await expect.poll(() => started, PATIENT).toEqual([2]);
    const { manager } = await clientAt(url);
    const { config } = await manager.consumers.info(streamOf(namespace), 'workers');
    expect(config.ack_wait).toBe(60_000_000_000);
  });

  it('takes the lease from a worker that the server does not hear, and has it go on when it does', async () => {
    const { url } = place();
    const wire = await Wire.to(url);
    opened.push(wire);
    const lease = { leaseMs: 1_000, crashRedeliveryMs: 2_000 };
    const [cutOff, other] = [queueAt<string>(wire.url), queueAt<string>(url)];
    const seen: string[] = [];
    let reason: unknown;
    cutOff.consume(async (payload, { attempt, signal }) => {
      seen.push(`cut off: ${payload} ${attempt}`);
      if (payload !== 'a') return;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      reason = signal.reason;
    }, lease);
    await other.enqueue('a');
    await expect.poll(() => seen, PATIENT).toEqual(['cut off: a 1']);
    wire.hold();
    const loop = other.consume(
      (payload, { attempt }) => void seen.push(`other: ${payload} ${attempt}`),
      lease,
    );
    await expect.poll(() => reason, PATIENT).toMatchObject({ code: 'LEASE_LOST' });
    await expect.poll(() => seen.slice(1), PATIENT).toEqual(['other: a 2']);
    await loop.stop();
    wire.release();
    await other.enqueue('b');
    await expect.poll(() => seen.slice(2), { timeout: 20_000 }).toEqual(['cut off: b 1']);
    await expect.poll(async () => (await other.stats())['depth'], PATIENT).toBe(0);
  }, 30_000);

  it('forgets, when somebody joins, what a killed worker has left in the ledger', async () => {
    const { url, namespace } = place();
    const queue = queueAt<number>(url);
    await queue.enqueue(1, { delayMs: 100 });
    const { manager, stream } = await clientAt(url);
    const ledger = async (): Promise<string[]> => {
      const { state } = await manager.streams.info(`${namespace}_starts`, { subjects_filter: '>' });
      return Object.keys(state.subjects ?? {});
    };
    let done = 0;
    const loop = queue.consume(() => void (done += 1));
    await expect.poll(() => done, PATIENT).toBe(1);
    await loop.stop();
    await expect.poll(ledger, PATIENT).toEqual([]);
    // as if the worker had been killed between the outcome and this
    await stream.publish(`${namespace}.starts.q.1`, '{"deliveries":1,"starts":0,"delivered":false}');
    await queue.enqueue(2, { delayMs: 60_000 });
    queue.consume(() => {});
    await expect.poll(ledger, PATIENT).toEqual([`${namespace}.starts.q.2`]);
  });

  it.skipIf(server.foreign !== undefined)(
    'does what it accepts after its server has lost the end of the stream, as a loss of power may do',
    { timeout: 30_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'holdfast-lost-'));
      opened.push({ [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }) });
      const own = await natsServer.start(['-sd', folder]);
      opened.push(own);
      const queue = queueAt<number>(own.url);
      const started: number[] = [];
      queue.consume((payload) => void started.push(payload));
      for (let n = 0; n < 20; n += 1) await queue.enqueue(n);
      await expect.poll(() => started, PATIENT).toHaveLength(20);
      // what was acknowledged is written down a moment later
      await sleep(500);
      await own.control?.kill();
      const messages = join(folder, 'jetstream', '$G', 'streams', 'holdfast_jobs_q', 'msgs');
      for (const file of readdirSync(messages)) rmSync(join(messages, file));
      await own.control?.start();
      const other = queueAt<number>(own.url);
      for (let n = 20; n < 25; n += 1) await other.enqueue(n);
      await expect.poll(() => started.slice(20), PATIENT).toEqual([20, 21, 22, 23, 24]);
    },
  );

  describe.skipIf(server.foreign !== undefined)('a server that is killed', () => {
    it(
      'brings back what is done: nothing is lost by it, nothing is done again, and it takes no room',
      { timeout: 30_000 },
      async () => {
        const { url, namespace } = place();
        const maxDepth = 10;
        const queue = queueAt<string>(url, { maxDepth, overflow: 'reject' });
        const started: string[] = [];
        const lease = { leaseMs: 2_000, crashRedeliveryMs: 3_000 };
        const loop = queue.consume((payload) => void started.push(payload), lease);
        await queue.enqueue('later', { delayMs: 4_000 });
        for (let n = 1; n <= 20; n += 1) {
          await queue.enqueue(`before ${n}`);
          await expect.poll(() => started, PATIENT).toHaveLength(n);
        }
        await expect.poll(async () => (await queue.stats())['depth'], PATIENT).toBe(1);
        // a server writes down what was acknowledged a moment later; killed before, it would have all of it done again
        await sleep(500);
        await server.control?.kill();
        await server.control?.start();

        const { manager } = await clientAt(url);
        const messages = async (): Promise<number> =>
          (await manager.streams.info(streamOf(namespace))).state.messages;
        await loop.stop();
        const other = queueAt<string>(url, { maxDepth, overflow: 'reject' });
        for (let n = 1; n < maxDepth; n += 1) await other.enqueue(`after ${n}`);
        await expect(other.enqueue('too many')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
        const last = other.consume((payload) => void started.push(payload), lease);
        await expect.poll(() => started, { timeout: 15_000 }).toContain('later');
        await expect.poll(async () => (await queue.stats())['depth'], PATIENT).toBe(0);
        const sent = [...Array.from({ length: 20 }, (_, n) => `before ${n + 1}`), 'later'];
        for (let n = 1; n < maxDepth; n += 1) sent.push(`after ${n}`);
        expect(started.toSorted()).toEqual(sent.toSorted());
        await last.stop();

        // whoever joins next clears up
        other.consume(() => {});
        await expect.poll(messages, PATIENT).toBe(0);
      },
    );
  });
});
