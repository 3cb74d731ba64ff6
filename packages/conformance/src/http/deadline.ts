/** Deadlines: the smaller of what the server allows and what the caller's header asks for. */
import { isHoldfastError } from '@holdfast/core';
import { expect } from 'vitest';
import { aborted, serve, type Case } from './case.ts';
import { send } from './client.ts';
import type { Handler } from './framework.ts';

const remaining: Handler = ({ scope }) => ({ json: scope.deadline?.remainingMs ?? null });

async function remainingMs(port: number, header?: string): Promise<number> {
  const headers = header === undefined ? {} : { 'x-request-timeout-ms': header };
  return Number((await send(port, '/remaining', { headers })).json());
}

export const deadlineCases: readonly Case[] = [
  {
    sentence: 'sets no deadline where nobody asked for one',
    run: async (framework) => {
      await using server = await serve(framework, { routes: { 'GET /remaining': remaining } });
      expect((await send(server.port, '/remaining')).json()).toBeNull();
    },
  },
  {
    sentence: 'takes the deadline from x-request-timeout-ms',
    run: async (framework) => {
      await using server = await serve(framework, { routes: { 'GET /remaining': remaining } });
      const ms = await remainingMs(server.port, '40000');
      expect(ms).toBeGreaterThan(30_000);
      expect(ms).toBeLessThanOrEqual(40_000);
    },
  },
  {
    sentence: 'never waits longer than its own timeoutMs, whatever the header says',
    run: async (framework) => {
      await using server = await serve(framework, {
        timeoutMs: 30_000,
        routes: { 'GET /remaining': remaining },
      });
      for (const header of [undefined, '99999', '999999999999999', '-5', 'soon']) {
        const ms = await remainingMs(server.port, header);
        expect(ms, header).toBeGreaterThan(20_000);
        expect(ms, header).toBeLessThanOrEqual(30_000);
      }
      expect(await remainingMs(server.port, '10000')).toBeLessThanOrEqual(10_000);
    },
  },
  {
    sentence: 'answers 504 when the deadline passes and the handler rejects with the reason',
    run: async (framework) => {
      const reasons: unknown[] = [];
      await using server = await serve(framework, {
        routes: {
          'GET /slow': async ({ scope }) => {
            reasons.push(await aborted(scope.signal));
            throw scope.signal.reason;
          },
        },
      });
      const answer = await send(server.port, '/slow', { headers: { 'x-request-timeout-ms': '20' } });
      expect(answer.status).toBe(504);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(answer.json()).toMatchObject({ status: 504, code: 'TIMEOUT' });
      expect(reasons.map((reason) => isHoldfastError(reason, 'TIMEOUT'))).toEqual([true]);
    },
  },
];
