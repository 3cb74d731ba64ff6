/** Shutdown end to end: what clients see, and what the report says. */
import { setTimeout as delay } from 'node:timers/promises';
import { isHoldfastError } from '@holdfast/core';
import { expect } from 'vitest';
import { aborted, gate, serve, type Case } from './case.ts';
import { keepAliveAgent, send } from './client.ts';

export const shutdownCases: readonly Case[] = [
  {
    sentence: 'finishes the request in flight and tells its client to leave',
    run: async (framework) => {
      const reached = gate();
      const release = gate();
      await using server = await serve(framework, {
        routes: {
          'GET /held': async () => {
            reached.open();
            await release.opened;
            return { json: 'held' };
          },
        },
      });
      using agent = keepAliveAgent();
      const answer = send(server.port, '/held', { agent });
      await reached.opened;
      const report = server.service.shutdown();
      release.open();
      expect((await answer).json()).toBe('held');
      expect((await answer).headers.connection).toBe('close');
      expect(await report).toMatchObject({
        outcome: 'clean',
        requests: { drained: 1, cancelled: 0, rejected: 0 },
      });
    },
  },
  {
    sentence: 'loses no request of keep-alive clients that leave within the lame duck',
    run: async (framework) => {
      await using server = await serve(framework, {
        service: { shutdown: { budgetMs: 10_000, phases: { 'lame-duck': 2_000 } } },
        routes: {
          'POST /orders': async ({ body }) => {
            await delay(1);
            return { json: body };
          },
        },
      });
      const balancer = { left: false };
      let lame = 0;
      const client = async (id: number): Promise<number> => {
        using agent = keepAliveAgent();
        let answered = 0;
        while (!balancer.left) {
          const body = { id, answered };
          const answer = await send(server.port, '/orders', { agent, body });
          expect(answer.json()).toEqual(body);
          if (answer.headers.connection === 'close') lame += 1;
          answered += 1;
        }
        return answered;
      };
      const clients = Array.from({ length: 8 }, (_, id) => client(id));
      await delay(50);
      const report = server.service.shutdown();
      while ((await send(server.port, '/readyz')).status === 200) await delay(5);
      await delay(100); // it takes its time to learn
      balancer.left = true;
      const answered = await Promise.all(clients);
      expect(server.service.signalAt('intake').aborted).toBe(false);
      expect(Math.min(...answered)).toBeGreaterThan(0);
      expect(lame).toBeGreaterThan(0);
      expect(await report).toMatchObject({ outcome: 'clean', requests: { cancelled: 0, rejected: 0 } });
    },
  },
  {
    sentence: 'aborts what does not finish in time with SHUTTING_DOWN, and answers 503',
    run: async (framework) => {
      const reached = gate();
      const reason = gate<unknown>();
      await using server = await serve(framework, {
        service: { shutdown: { budgetMs: 3_000, phases: { drain: 30, cancel: 1_000 } } },
        routes: {
          'GET /slow': async ({ scope }) => {
            reached.open();
            reason.open(await aborted(scope.signal));
            throw scope.signal.reason;
          },
        },
      });
      const answer = send(server.port, '/slow');
      await reached.opened;
      await server.service.shutdown();
      expect(isHoldfastError(await reason.opened, 'SHUTTING_DOWN')).toBe(true);
      expect((await answer).status).toBe(503);
      expect((await answer).headers.connection).toBe('close');
      expect((await answer).json()).toMatchObject({ code: 'SHUTTING_DOWN' });
    },
  },
  {
    sentence: 'cuts a request that never answers, counts it, and ends within its budget',
    run: async (framework) => {
      const reached = gate();
      await using server = await serve(framework, {
        service: { shutdown: { budgetMs: 3_000, phases: { drain: 30, cancel: 100 } } },
        routes: {
          'GET /never': () => {
            reached.open();
            return new Promise(() => {});
          },
        },
      });
      const [report] = await Promise.all([
        reached.opened.then(() => server.service.shutdown()),
        expect(send(server.port, '/never')).rejects.toThrow(/hang up|ECONNRESET/),
      ]);
      expect(report.requests).toMatchObject({ drained: 0, cancelled: 1 });
      expect(report.durationMs).toBeLessThan(3_000);
    },
  },
  {
    sentence: 'lets an event stream say good-bye at intake',
    run: async (framework) => {
      const started = gate();
      async function* events(): AsyncGenerator<string> {
        yield 'event: hello\n\n';
        started.open();
        await aborted(server.service.signalAt('intake'));
        yield 'event: bye\n\n';
      }
      await using server = await serve(framework, {
        routes: { 'GET /events': () => ({ stream: events() }) },
      });
      const answer = send(server.port, '/events');
      await started.opened;
      const report = await server.service.shutdown();
      expect((await answer).text).toBe('event: hello\n\nevent: bye\n\n');
      expect(report).toMatchObject({ outcome: 'clean', requests: { drained: 1, cancelled: 0 } });
    },
  },
  {
    sentence: 'does not wait for idle keep-alive connections, and accepts none afterwards',
    run: async (framework) => {
      await using server = await serve(framework, {
        service: { shutdown: { budgetMs: 20_000 } },
        routes: { 'GET /hello': () => ({ json: 'hello' }) },
      });
      using agent = keepAliveAgent();
      expect((await send(server.port, '/hello', { agent })).status).toBe(200);
      const report = await server.service.shutdown();
      expect(report.outcome).toBe('clean');
      expect(report.durationMs).toBeLessThan(4_000); // Node alone waits 5 s for such a connection to time out
      await expect(send(server.port, '/hello')).rejects.toThrow(/ECONNREFUSED/);
    },
  },
  {
    sentence: 'shuts down once, however often it is asked',
    run: async (framework) => {
      await using server = await serve(framework, { routes: {} });
      const [first, second] = await Promise.all([server.service.shutdown(), server.service.shutdown()]);
      expect(second).toBe(first);
      expect(await server.service.shutdown()).toBe(first);
    },
  },
];
