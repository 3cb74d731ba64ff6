import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Service, isHoldfastError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { drainServer } from '../../src/index.ts';
import { listenServerOf, type ListenOptions } from '../../src/http/listen-server.ts';
import { FakeProcess } from '../process/fake-process.ts';

function options(
  host: FakeProcess,
  service: Service,
  more: Partial<ListenOptions> = {},
): [FakeProcess, ListenOptions] {
  return [host, { service, port: 0, host: '127.0.0.1', exit: 'none', ...more }];
}

describe('listenServer', () => {
  it('installs the signals, starts the service, listens, and resolves with the server', async () => {
    const events: string[] = [];
    const service = new Service({ name: 'test' });
    const host = new FakeProcess();
    const server = createServer((_request, response) => response.end('ok'));
    server.on('listening', () => events.push('listening'));
    service.own({
      name: 'part',
      open: () => void events.push(`opened, ${host.listenerCount('SIGTERM')} on SIGTERM`),
    });
    const [fake, listening] = options(host, service, { keepAliveMs: 65_000 });

    expect(await listenServerOf(fake, server, listening)).toBe(server);

    expect(events).toEqual(['opened, 1 on SIGTERM', 'listening']);
    expect(server.keepAliveTimeout).toBe(65_000);
    const { port } = server.address() as AddressInfo;
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('ok');

    host.emit('SIGTERM');
    await once(server, 'close');
    expect(await service.shutdown()).toMatchObject({
      cause: 'SIGTERM',
      outcome: 'clean',
      components: { http: { drained: true } },
    });
  });

  it('keeps the options of a server that was given to drainServer before', async () => {
    const service = new Service({ name: 'test' });
    const server = createServer();
    drainServer(service, server, { name: 'web' });
    const [fake, listening] = options(new FakeProcess(), service);
    await listenServerOf(fake, server, listening);
    expect(Object.keys((await service.shutdown()).components)).toEqual(['web']);
  });

  it('rejects with ShuttingDownError where a signal cuts it short under exit "none"', async () => {
    const service = new Service({ name: 'test' });
    const host = new FakeProcess();
    const server = createServer();
    service.own({ name: 'part', open: () => void host.emit('SIGTERM') });
    const [fake, listening] = options(host, service);

    const error = await listenServerOf(fake, server, listening).catch((error: unknown) => error);

    expect(isHoldfastError(error, 'SHUTTING_DOWN')).toBe(true);
    expect(server.listening).toBe(false);
    expect(host.ends).toEqual([]);
  });

  it('stays pending until the process ends where a signal cuts it short otherwise', async () => {
    const service = new Service({ name: 'test' });
    const host = new FakeProcess();
    service.own({ name: 'part', open: () => void host.emit('SIGTERM') });
    const [fake, listening] = options(host, service, { exit: 'code' });
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    listenServerOf(fake, createServer(), listening).then(settle, settle);

    expect(await host.ended).toBe(0);
    expect(settled).toBe(false);
  });

  it('shuts down and rejects where the start fails', async () => {
    const service = new Service({ name: 'test' });
    const host = new FakeProcess();
    const error = new Error('no database');
    service.own({ name: 'database', open: () => Promise.reject(error) });
    const [fake, listening] = options(host, service, { exit: 'code' });

    await expect(listenServerOf(fake, createServer(), listening)).rejects.toBe(error);

    expect(service.state).toBe('stopped');
    expect(await host.ended).toBe(1);
  });

  it('shuts down and rejects where the port is taken', async () => {
    const taken = createServer();
    await once(taken.listen(0, '127.0.0.1'), 'listening');
    const { port } = taken.address() as AddressInfo;
    const service = new Service({ name: 'test' });
    const host = new FakeProcess();
    const [fake, listening] = options(host, service, { port, exit: 'code' });

    await expect(listenServerOf(fake, createServer(), listening)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });

    expect(await service.shutdown()).toMatchObject({ cause: 'listen', outcome: 'failed' });
    expect(await host.ended).toBe(1);
    taken.close();
  });

  it('rejects bad options', async () => {
    const service = new Service({ name: 'test' });
    const host = new FakeProcess();
    const listen = (bad: object): Promise<unknown> =>
      listenServerOf(host, createServer(), { service, port: 0, ...bad });
    await expect(listen({ port: 65_536 })).rejects.toThrow(RangeError);
    await expect(listen({ port: '3000' })).rejects.toThrow(TypeError);
    await expect(listen({ host: '' })).rejects.toThrow(RangeError);
    await expect(listen({ service: {} })).rejects.toThrow(TypeError);
    await expect(listen({ keepAliveMs: 0 })).rejects.toThrow(RangeError);
    await expect(listen({ ports: 1 })).rejects.toThrow(TypeError);
    expect(host.listened).toEqual([]);
  });
});
