/** The door: what is refused before it becomes a request, and what is let through nevertheless. */
import { OverloadedError } from '@holdfast/core';
import { expect } from 'vitest';
import { aborted, gate, serve, type Case } from './case.ts';
import { openConnection, send } from './client.ts';

export const doorCases: readonly Case[] = [
  {
    sentence: 'sheds requests while something it owns is overloaded, and lets them in again',
    run: async (framework) => {
      let overloaded = true;
      let ran = 0;
      await using server = await serve(framework, {
        routes: { 'GET /hello': () => ({ json: (ran += 1) }) },
        prepare: (service) =>
          service.own({
            name: 'loop',
            overload: () =>
              overloaded ? new OverloadedError('The loop is blocked', { retryAfterMs: 1_500 }) : undefined,
          }),
      });
      const shed = await send(server.port, '/hello');
      expect(shed.status).toBe(503);
      expect(shed.headers['retry-after']).toMatch(/^[1-5]$/);
      expect(shed.json()).toMatchObject({ code: 'OVERLOADED' });
      expect(ran).toBe(0);

      for (const path of ['/livez', '/startupz', '/readyz', '/metrics'])
        expect((await send(server.port, path)).status, path).toBe(200);

      overloaded = false;
      expect((await send(server.port, '/hello')).json()).toBe(1);
    },
  },
  {
    sentence: 'serves what is exempt while it sheds the rest',
    run: async (framework) => {
      await using server = await serve(framework, {
        routes: { 'GET /hello': () => ({ json: 'hello' }), 'POST /payments': () => ({ json: 'paid' }) },
        exempt: (path) => path === '/payments',
        prepare: (service) =>
          service.own({
            name: 'loop',
            overload: () => new OverloadedError('The loop is blocked', { retryAfterMs: 1_500 }),
          }),
      });
      expect((await send(server.port, '/hello')).status).toBe(503);
      const paid = await send(server.port, '/payments?id=7', { method: 'POST', body: {} });
      expect([paid.status, paid.json()]).toEqual([200, 'paid']);
    },
  },
  {
    sentence:
      'refuses what arrives on an open connection after intake with SHUTTING_DOWN and Connection: close',
    run: async (framework) => {
      const held = gate();
      const reached = gate();
      await using server = await serve(framework, {
        routes: {
          'GET /held': async () => {
            reached.open();
            await held.opened;
            return { json: 'held' };
          },
        },
      });
      const late = await openConnection(server.port);
      await late.write('GET /held HTTP/1.1\r\nHost: late\r\n');
      const inFlight = send(server.port, '/held');
      await reached.opened; // by now the server has seen that the other one begins
      const report = server.service.shutdown();
      await aborted(server.service.signalAt('intake'));
      await late.write('\r\n');
      const refusal = await late.received;
      held.open();
      expect((await inFlight).json()).toBe('held');
      expect(refusal).toMatch(/^HTTP\/1.1 503 /);
      expect(refusal).toMatch(/^connection: close\r$/im);
      expect(refusal).toContain('SHUTTING_DOWN');
      expect((await report).requests.rejected).toBe(1);
    },
  },
];
