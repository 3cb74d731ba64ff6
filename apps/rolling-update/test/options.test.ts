import { describe, expect, it } from 'vitest';
import { parseOptions } from '../src/options.ts';

describe('the command line', () => {
  it('runs every strategy on every server it is for', () => {
    const { scenarios } = parseOptions([]);
    const nest = scenarios.filter(({ server }) => server.startsWith('nest-'));
    expect(scenarios).toHaveLength(5 + 5 + 7 + 7);
    expect(nest.filter(({ strategy }) => strategy.startsWith('nest-'))).toHaveLength(4);
    expect(scenarios.every(({ lameDuckMs, learnsAfterMs }) => lameDuckMs > learnsAfterMs)).toBe(true);
  });

  it('runs what is named', () => {
    const args = [
      '--server',
      'hono',
      '--strategy',
      'holdfast',
      '--strategy',
      'nest-hooks',
      '--restarts',
      '5',
    ];
    const { scenarios } = parseOptions(args);
    expect(scenarios).toMatchObject([{ server: 'hono', strategy: 'holdfast', restarts: 5 }]);
  });

  it('says which option is wrong', () => {
    expect(() => parseOptions(['--server', 'koa'])).toThrow('--server does not know koa');
    expect(() => parseOptions(['--restarts', '0'])).toThrow('--restarts takes a whole number from 1 up');
    expect(() => parseOptions(['--clients', 'many'])).toThrow('--clients takes a whole number from 1 up');
  });
});
