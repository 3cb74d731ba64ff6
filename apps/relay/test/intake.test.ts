import { beforeEach, describe, expect, it } from 'vitest';
import { QueueFullError } from '@holdfast/core';
import type { PostedEvent } from '../src/event.ts';
import { Intake } from '../src/intake.ts';
import type { EventStatus, StoredEvent } from '../src/store.sync.ts';

const event: PostedEvent = { id: 'a', url: 'http://x/', payload: '{"n":1,"m":2}' };
const options = { maxWaitMs: 10 };
const full = new QueueFullError('deliveries', 1);
const conflict = expect.objectContaining({ code: 'ID_CONFLICT' });

/** What happened, in order. */
let log: string[];
let stored: Map<string, StoredEvent>;
/** Whether the store can forget an event. */
let removable: boolean;
/** How the queue answers; waits until the test says so. */
let answerQueue: (error?: Error) => void;
let intake: Intake;

beforeEach(() => {
  log = [];
  stored = new Map();
  removable = true;
  intake = new Intake(
    {
      async insert(posted) {
        log.push(`insert ${posted.payload}`);
        const found = stored.get(posted.id);
        if (found === undefined) store(posted, 'queued');
        return found;
      },
      async remove({ id }) {
        log.push('remove');
        return removable && stored.delete(id);
      },
      async keep({ id }) {
        log.push('keep');
        return stored.has(id);
      },
    },
    {
      enqueue: ({ id }) => {
        log.push(`enqueue ${id}`);
        return new Promise((resolve, reject) => {
          answerQueue = (error) => (error === undefined ? resolve() : reject(error));
        });
      },
    },
    { add: (id) => void log.push(`audit ${id}`) },
  );
});

function store(posted: PostedEvent, status: EventStatus): void {
  stored.set(posted.id, {
    admission: 'x',
    ...posted,
    status,
    attempts: 0,
    queueDelayMs: null,
    lastError: null,
  });
}

async function queueAsked(): Promise<void> {
  await expect.poll(() => log.at(-1)).toBe('enqueue a');
}

describe('Intake', () => {
  it('accepts an event once it is stored and queued, and then audits it', async () => {
    const accepted = intake.accept(event, options);
    await queueAsked();
    expect(log).toEqual(['insert {"n":1,"m":2}', 'enqueue a']);
    answerQueue();
    expect(await accepted).toEqual({ id: 'a', status: 'queued', lastError: undefined });
    expect(log.slice(2)).toEqual(['audit a']);
  });

  it('forgets an event that the queue refuses, and takes it when it comes again', async () => {
    const refused = intake.accept(event, options);
    await queueAsked();
    answerQueue(full);
    await expect(refused).rejects.toBe(full);
    expect([log.at(-1), stored.size]).toEqual(['remove', 0]);
    const accepted = intake.accept(event, options);
    await queueAsked();
    answerQueue();
    expect(await accepted).toMatchObject({ status: 'queued' });
  });

  it('gives concurrent repeats the outcome of the first, whatever it is', async () => {
    for (const error of [undefined, full]) {
      log = [];
      stored.clear();
      const same = { ...event, payload: '{"m":2,"n":1}' };
      const outcomes = Promise.allSettled([event, same, event].map((one) => intake.accept(one, options)));
      await queueAsked();
      answerQueue(error);
      const expected = error === undefined ? { status: 'fulfilled' } : { status: 'rejected', reason: full };
      expect(await outcomes).toMatchObject([expected, expected, expected]);
      expect(log.filter((line) => line === 'enqueue a')).toHaveLength(1);
    }
  });

  it('decides on other content under the same id when the first is decided', async () => {
    const other = { ...event, payload: '3' };
    const first = intake.accept(event, options);
    const second = intake.accept(other, options).catch((error: unknown) => error);
    await queueAsked();
    answerQueue();
    await first;
    expect(await second).toEqual(conflict);

    stored.clear();
    const refused = intake.accept(event, options).catch((error: unknown) => error);
    const next = intake.accept(other, options);
    await queueAsked();
    answerQueue(full);
    expect(await refused).toBe(full);
    await queueAsked();
    answerQueue();
    expect(await next).toMatchObject({ status: 'queued' });
    expect(stored.get('a')?.payload).toBe('3');
  });

  it.each(['delivered', 'failed', 'delivering'] as const)(
    'answers a repeat of a %s event without queueing it',
    async (status) => {
      store(event, status);
      expect(await intake.accept(event, options)).toMatchObject({ status });
      expect(log).toEqual(['insert {"n":1,"m":2}']);
      await expect(intake.accept({ ...event, url: 'http://y/' }, options)).rejects.toEqual(conflict);
    },
  );

  it('queues an event again that is stored but not queued, and keeps it when there is no room', async () => {
    store(event, 'queued');
    const refused = intake.accept(event, options);
    await queueAsked();
    answerQueue(full);
    await expect(refused).rejects.toBe(full);
    expect([stored.size, log.includes('remove'), log.includes('audit a')]).toEqual([1, false, false]);
  });

  it('accepts what it was refused room for, where another relay has begun it or accepted a repeat', async () => {
    removable = false;
    const accepted = intake.accept(event, options);
    await queueAsked();
    answerQueue(full);
    expect(await accepted).toMatchObject({ status: 'queued' });
    expect(log.slice(-2)).toEqual(['remove', 'audit a']);
  });

  it('keeps what it accepts a repeat of, and begins anew where it was forgotten meanwhile', async () => {
    store(event, 'queued');
    const kept = intake.accept(event, options);
    await queueAsked();
    answerQueue();
    expect(await kept).toMatchObject({ status: 'queued' });
    expect(log).toEqual(['insert {"n":1,"m":2}', 'enqueue a', 'keep']);

    const once = log;
    log = [];
    const anew = intake.accept(event, options);
    await queueAsked();
    stored.clear();
    answerQueue();
    await expect.poll(() => log).toEqual([...once, ...once.slice(0, 2)]);
    answerQueue();
    expect(await anew).toMatchObject({ status: 'queued' });
    expect(log.at(-1)).toBe('audit a');
  });
});
