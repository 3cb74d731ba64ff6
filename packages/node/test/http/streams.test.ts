import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Service, isHoldfastError } from '@holdfast/core';
import { describe, expect, it, vi } from 'vitest';
import { closeWebSockets, drainServer, eventStream, type EventStream } from '../../src/index.ts';
import { RawClient } from './raw-client.ts';

async function serve(): Promise<{ service: Service; client: RawClient; stream: EventStream }> {
  const service = new Service({ name: 'test', shutdown: { budgetMs: 2_000 } });
  const opened: EventStream[] = [];
  const server = createServer((_request, response) => void opened.push(eventStream(service, response)));
  drainServer(service, server);
  await service.start();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = await RawClient.connect((server.address() as AddressInfo).port);
  client.ask('/events');
  await client.until('\r\n\r\n');
  const [stream] = opened;
  if (stream === undefined) throw new Error('no stream');
  return { service, client, stream };
}

describe('a stream of events', () => {
  it('sends events as the format has it', async () => {
    const { service, client, stream } = await serve();
    expect(stream.send({ id: '7', event: 'price\nfield: forged', data: 'one\r\ntwo\nthree' })).toBe(true);
    stream.end();
    expect(stream.send({ data: 'late' })).toBe(false);
    await client.until('three\n\n');
    expect(client.received).toContain('Content-Type: text/event-stream\r\n');
    expect(client.received).toContain(
      'id: 7\nevent: price field: forged\ndata: one\ndata: two\ndata: three\n\n',
    );
    await service.shutdown();
    expect(stream.signal.aborted).toBe(false);
  });

  it('tells its client when to come again, and ends, at the intake phase', async () => {
    const { service, client, stream } = await serve();
    const report = await service.shutdown();
    await client.closed;
    const retryMs = Number(/retry: (\d+)\n\n/.exec(client.received)?.[1]);
    expect(retryMs).toBeGreaterThanOrEqual(500);
    expect(retryMs).toBeLessThanOrEqual(5_000);
    expect(isHoldfastError(stream.signal.reason, 'SHUTTING_DOWN')).toBe(true);
    expect(report).toMatchObject({ outcome: 'clean', requests: { drained: 1, cancelled: 0 } });
  });

  it('aborts when its client leaves', async () => {
    const { service, client, stream } = await serve();
    const left = once(stream.signal, 'abort');
    client.socket.destroy();
    await left;
    expect(isHoldfastError(stream.signal.reason, 'DISCONNECTED')).toBe(true);
    await service.shutdown();
  });
});

describe('WebSockets', () => {
  it('are closed with 1001 at the intake phase, spread over a while', async () => {
    vi.useFakeTimers();
    const service = new Service({ name: 'test' });
    const closed: [number, string][] = [];
    const clients = Array.from({ length: 4 }, () => ({
      close: (code: number, reason: string) => void closed.push([code, reason]),
    }));
    closeWebSockets(service, { clients: new Set(clients) });
    expect(vi.getTimerCount()).toBe(0);

    void service.shutdown();
    await vi.advanceTimersByTimeAsync(0);
    expect(closed).toEqual([[1_001, 'The server is going away']]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(closed).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(closed).toHaveLength(4);
    vi.useRealTimers();
  });

  it('are left alone once the handle is disposed', async () => {
    const service = new Service({ name: 'test' });
    const close = vi.fn<() => void>();
    closeWebSockets(service, { clients: [{ close }] })[Symbol.dispose]();
    await service.shutdown();
    expect(close).not.toHaveBeenCalled();
  });
});
