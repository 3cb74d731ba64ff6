import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as runtime from '../../src/runtime.ts';
import { BoundedQueue } from '../../src/index.ts';
import { defer } from './watch.ts';

const storage = new AsyncLocalStorage<string>();

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the asynchronous context of a handler', () => {
  it('is that of the put that brought the item, however the item came to the handler', async () => {
    const queue = new BoundedQueue<string>({ capacity: 1 });
    const seen: [string, string | undefined][] = [];
    const gate = defer();
    storage.run('consumer', () =>
      queue.consume(async (value) => {
        const before = storage.getStore();
        await gate.promise;
        expect(storage.getStore()).toBe(before);
        seen.push([value, before]);
      }),
    );
    await turn();
    const put = (value: string): Promise<void> => storage.run(`put ${value}`, () => queue.put(value));
    // handed over, buffered, waiting for room, waiting for room behind another
    const puts = ['a', 'b', 'c', 'd'].map(put);
    await turn();
    gate.resolve();
    await Promise.all(puts);
    await queue.drain();
    expect(seen).toEqual(['a', 'b', 'c', 'd'].map((value) => [value, `put ${value}`]));
  });

  it('is that of the put for retries and the error function too', async () => {
    const queue = new BoundedQueue<string>({ capacity: 3 });
    const seen: unknown[] = [];
    storage.run('consumer', () =>
      queue.consume(
        () => {
          seen.push(storage.getStore());
          throw new Error('no');
        },
        {
          retry: { maxRetries: 1, baseDelayMs: 1 },
          timeoutMs: 1_000,
          onError: () => void seen.push(`error ${storage.getStore()}`),
        },
      ),
    );
    await turn();
    storage.run('a', () => queue.tryPut('a'));
    storage.run('b', () => queue.tryPut('b'));
    await queue.drain();
    expect(seen).toEqual(['a', 'a', 'error a', 'b', 'b', 'error b']);
  });

  it('is that of consume for items put while nobody consumed', async () => {
    const queue = new BoundedQueue<string>({ capacity: 3 });
    storage.run('put', () => queue.tryPut('a'));
    const seen: unknown[] = [];
    storage.run('consumer', () => queue.consume(() => void seen.push(storage.getStore())));
    await queue.drain();
    expect(seen).toEqual(['consumer']);
  });

  it('is that of produce for items of a producer', async () => {
    const queue = new BoundedQueue<string>({ capacity: 1 });
    const seen: unknown[] = [];
    storage.run('consumer', () => queue.consume(() => void seen.push(storage.getStore())));
    const loop = storage.run('producer', () => queue.produce(['a', 'b', 'c']));
    await loop.done;
    await queue.drain();
    expect(seen).toEqual(['producer', 'producer', 'producer']);
  });

  it('stays with whoever takes by hand', async () => {
    const queue = new BoundedQueue<string>({ capacity: 1 });
    const seen: unknown[] = [];
    const reader = storage.run('reader', async () => {
      await queue.take();
      seen.push(storage.getStore());
      for await (const { value } of queue) seen.push(`${storage.getStore()} ${value}`);
    });
    await turn();
    await storage.run('put', async () => {
      await queue.put('a');
      await queue.put('b');
      seen.push(storage.getStore());
      queue.close();
    });
    await reader;
    expect(new Set(seen)).toEqual(new Set(['put', 'reader', 'reader b']));
  });

  it('costs nothing where nobody consumes with a handler', async () => {
    const snapshots = vi.spyOn(runtime, 'snapshotContext');
    const queue = new BoundedQueue<number>({ capacity: 100 });
    for (let item = 0; item < 100; item += 1) await queue.put(item);
    await queue.takeBatch({ max: 100 });
    const take = queue.take();
    await queue.put(1);
    await take;
    expect(snapshots).not.toHaveBeenCalled();
    queue.consume(() => defer().promise);
    await turn();
    expect(snapshots).toHaveBeenCalledTimes(1);
    queue.tryPut(1);
    expect(snapshots).toHaveBeenCalledTimes(1);
    queue.tryPut(2);
    expect(snapshots).toHaveBeenCalledTimes(2);
  });
});
