/** The simulation in short: two restarts, few clients. The long form is `npm run simulate:rolling-update`. */
import { describe, expect, it } from 'vitest';
import { failures } from '../src/result.ts';
import { simulate, type Scenario } from '../src/simulate.ts';
import { servers, type ServerName } from '../src/strategies.ts';

// the margins are for a busy machine: none of them makes a run longer that goes well
const short: Omit<Scenario, 'server' | 'strategy'> = {
  restarts: 2,
  clients: 12,
  learnsAfterMs: 250,
  lameDuckMs: 1_000,
  graceMs: 20_000,
};

describe.concurrent('a rolling update', () => {
  for (const [server, name] of Object.entries(servers) as [ServerName, string][]) {
    it(`fails no request and loses no accepted item with Holdfast on ${name}`, async () => {
      const { requests, accepted, failed, lost, repeated, exits } = await simulate({
        ...short,
        server,
        strategy: 'holdfast',
      });
      expect({ failed, lost, repeated, exits }).toEqual({
        failed: {},
        lost: 0,
        repeated: 0,
        exits: { 0: 2 },
      });
      expect(accepted).toBe(requests);
    });
  }

  it('fails requests where a server is only closed, since the balancer still sends to it', async () => {
    const result = await simulate({ ...short, server: 'express', strategy: 'plain-close', graceMs: 1_000 });
    expect(result.failed['REFUSED']).toBeGreaterThan(0);
    expect(result.requests).toBe(result.accepted + failures(result));
  });
});
