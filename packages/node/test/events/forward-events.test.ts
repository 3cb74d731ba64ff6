import { subscribe as subscribeChannel, unsubscribe } from 'node:diagnostics_channel';
import { BoundedQueue, type HoldfastEvent } from '@holdfast/core';
import { expect, it } from 'vitest';
import { forwardEvents } from '../../src/index.ts';

it('events are published on the channel of their area, until the handle is disposed', async () => {
  const heard: HoldfastEvent[] = [];
  const listener = (message: unknown): void => void heard.push(message as HoldfastEvent);
  subscribeChannel('holdfast:queue', listener);
  const handle = forwardEvents();
  const queue = new BoundedQueue<number>({
    name: 'numbers',
    capacity: 1,
    overflow: 'drop-newest',
    onDrop: () => {},
  });

  await queue.put(1);
  await queue.put(2);
  expect(heard).toMatchObject([{ type: 'queue.dropped', name: 'numbers' }]);

  handle[Symbol.dispose]();
  await queue.put(3);
  expect(heard).toHaveLength(1);
  unsubscribe('holdfast:queue', listener);
});
