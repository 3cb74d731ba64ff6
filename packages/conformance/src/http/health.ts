/** Health routes: alive, ready, and the figures. */
import { expect } from 'vitest';
import { serve, type Case } from './case.ts';
import { send } from './client.ts';

export const healthCases: readonly Case[] = [
  {
    sentence: 'answers /livez, /startupz, /readyz and /metrics while it runs',
    run: async (framework) => {
      await using server = await serve(framework, { routes: {} });
      for (const path of ['/livez', '/startupz', '/readyz', '/metrics', '/readyz?verbose=1'])
        expect((await send(server.port, path)).status, path).toBe(200);
      expect((await send(server.port, '/livez', { method: 'HEAD' })).status).toBe(200);
    },
  },
  {
    sentence: 'is alive but not ready while something it owns is down',
    run: async (framework) => {
      await using server = await serve(framework, {
        routes: {},
        prepare: (service) =>
          service.own({ name: 'database', health: () => ({ status: 'down' as const, detail: 'no route' }) }),
      });
      const ready = await send(server.port, '/readyz');
      expect(ready.status).toBe(503);
      expect(ready.text).toContain('database');
      expect((await send(server.port, '/livez')).status).toBe(200);
    },
  },
  {
    sentence: 'is alive but not ready from the first moment of a shutdown, and serves on in the lame duck',
    run: async (framework) => {
      await using server = await serve(framework, {
        service: { shutdown: { budgetMs: 5_000, phases: { 'lame-duck': 1_000 } } },
        routes: { 'GET /hello': () => ({ json: 'hello' }) },
      });
      const report = server.service.shutdown();
      expect((await send(server.port, '/readyz')).status).toBe(503);
      expect((await send(server.port, '/livez')).status).toBe(200);
      expect((await send(server.port, '/startupz')).status).toBe(200);
      const hello = await send(server.port, '/hello');
      expect(hello.status).toBe(200);
      expect(hello.headers.connection).toBe('close');
      expect(server.service.signalAt('intake').aborted).toBe(false);
      expect((await report).requests.rejected).toBe(0);
    },
  },
];
