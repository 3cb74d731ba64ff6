/** Connections to Redis and PostgreSQL that end when nobody expects it, or fall silent. What is dropped and killed is in the suite. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { isHoldfastError, JobQueue, sleep, subscribe } from '@holdfast/core';
import {
  onServer,
  postgresServer,
  redisServer,
  type ServerInUse,
  type ServerKind,
} from '@holdfast/conformance';
import { bullmq } from '@holdfast/jobs-bullmq';
import { afterAll, afterEach, expect, it } from 'vitest';
import { Wire } from '../../src/engines/wire.ts';
import { Gate } from '../../src/jobs/engine-under-test.ts';

const listening = subscribe(() => {});
afterAll(() => listening[Symbol.dispose]());

const PATIENT = { timeout: 25_000, interval: 50 };
const TIMEOUT = { timeout: 60_000 };
const open: AsyncDisposable[] = [];
let places = 0;

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function queueAt<T = unknown>(url: string): JobQueue<T> {
  const queue = new JobQueue<T>({ name: 'q', url, engines: [bullmq] });
  open.push({
    [Symbol.asyncDispose]: async () => {
      queue.cancel();
      await queue[Symbol.asyncDispose]();
    },
  });
  return queue;
}

async function wireTo(url: string): Promise<Wire> {
  const wire = await Wire.to(url);
  open.push(wire);
  return wire;
}

function shared(kind: ServerKind): void {
  onServer(kind, (server: ServerInUse) => {
    const at = (): string =>
      `${kind === redisServer ? 'prefix' : 'schema'}=c_${process.pid}_${(places += 1)}`;

    it('comes back where what is connected falls silent', TIMEOUT, async () => {
      const wire = await wireTo(`${server.url}?${at()}`);
      const queue = queueAt<number>(wire.url);
      const seen: number[] = [];
      queue.consume((n) => void seen.push(n), { concurrency: 2, leaseMs: 2_000, crashRedeliveryMs: 3_000 });
      await queue.enqueue(1);
      await expect.poll(() => seen, PATIENT).toEqual([1]);
      wire.mute();
      const accepted = async (): Promise<boolean> => {
        try {
          await queue.enqueue(2, { id: 'two', timeoutMs: 1_000 });
          return true;
        } catch (error) {
          if (isHoldfastError(error)) return false;
          throw error;
        }
      };
      await expect.poll(accepted, PATIENT).toBe(true);
      await expect.poll(() => seen, PATIENT).toContain(2);
    });

    it('tells a handler that its lease has passed while the server stands still', TIMEOUT, async () => {
      const wire = await wireTo(`${server.url}?${at()}`);
      const queue = queueAt(wire.url);
      const started = new Gate<AbortSignal>();
      queue.consume(
        async (_, { signal }) => {
          started.open(signal);
          await sleep(60_000, { signal });
        },
        { leaseMs: 500, crashRedeliveryMs: 1_000 },
      );
      await queue.enqueue(1);
      const signal = await started.opened;
      wire.hold();
      await expect.poll(() => signal.aborted, PATIENT).toBe(true);
      expect(signal.reason).toMatchObject({ code: 'LEASE_LOST' });
      wire.release();
    });

    it('is let go in time, and lets go, while the server stands still', TIMEOUT, async () => {
      const wire = await wireTo(`${server.url}?${at()}`);
      const queue = queueAt<number>(wire.url);
      let done = 0;
      queue.consume(() => void (done += 1), { concurrency: 2 });
      await queue.enqueue(1);
      await expect.poll(() => done, PATIENT).toBe(1);
      wire.hold();
      const asked = queue.enqueue(2, { timeoutMs: 500 });
      await expect(asked).rejects.toMatchObject({ code: 'ENQUEUE_TIMEOUT' });
      // within the time of a test
      await queue[Symbol.asyncDispose]();
      // one side of each connection is this process's; what it has closed is not seen by a side that hears nothing
      wire.release();
      await expect.poll(() => wire.connections, PATIENT).toBe(0);
    });

    it('holds nothing for an opening that was given up, or was one too many', TIMEOUT, async () => {
      const wire = await wireTo(`${server.url}?${at()}`);
      const driver = bullmq.connect(new URL(wire.url));
      const controller = new AbortController();
      const reason = new Error('enough');
      const given = driver.open({ signal: controller.signal });
      controller.abort(reason);
      await expect(given).rejects.toBeDefined();
      await Promise.all([driver.open({}), driver.open({}), driver.open({})]);
      await driver.close();
      await expect.poll(() => wire.connections, PATIENT).toBe(0);
    });
  });
}

shared(redisServer);
shared(postgresServer);

onServer(postgresServer, (server: ServerInUse) => {
  it.each([0, 1, 2, 3, 4, 5].flatMap((nth) => [1, 2].map((answer) => [nth, answer])))(
    'goes on where connection %i is ended in the packet of its answer %i',
    async (nth, answer) => {
      const spoilt = await SpoilingWire.to(server.url, nth, answer);
      open.push(spoilt);
      const queue = queueAt<number>(spoilt.url);
      const seen = new Set<number>();
      queue.consume((n) => void seen.add(n));
      const accepted = (): Promise<boolean> =>
        queue.enqueue(1, { id: 'one' }).then(
          () => true,
          () => false,
        );
      await expect.poll(accepted, PATIENT).toBe(true);
      await expect.poll(() => seen.has(1), PATIENT).toBe(true);
      expect(spoilt.done).toBe(true);
    },
  );
});

/** A way to PostgreSQL that ends one connection as a server does that shuts down: in the packet with which it says it is ready. */
class SpoilingWire implements AsyncDisposable {
  readonly url: string;
  done = false;
  readonly #server: Server;

  private constructor(url: string, server: Server) {
    this.url = url;
    this.#server = server;
  }

  static async to(url: string, nth: number, answer: number): Promise<SpoilingWire> {
    const there = new URL(url);
    let connections = 0;
    const server = createServer((near) => {
      const spoils = connections === nth;
      connections += 1;
      let answers = 0;
      const far = connect(Number(there.port), there.hostname);
      near.on('error', () => {}).on('data', (chunk: Buffer) => far.write(chunk));
      near.on('close', () => far.destroy());
      far.on('error', () => {}).on('close', () => near.destroy());
      far.on('data', (chunk: Buffer) => {
        answers += chunk.includes(READY) ? 1 : 0;
        if (spoils && !wire.done && answers === answer) {
          wire.done = true;
          near.end(Buffer.concat([chunk, ENDED]));
          far.destroy();
        } else {
          near.write(chunk);
        }
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const here = new URL(url);
    here.port = String((server.address() as AddressInfo).port);
    const wire = new SpoilingWire(here.href, server);
    return wire;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** How `ReadyForQuery` begins. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5]);
const ENDED = errorMessage(
  'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0',
);

function errorMessage(fields: string): Buffer {
  const head = Buffer.from('E    ');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, Buffer.from(fields)]);
}
