/** The command line: which simulations, and how hard. */
import { parseArgs } from 'node:util';
import type { Scenario } from './simulate.ts';
import { servers, strategies, suits, type ServerName, type StrategyName } from './strategies.ts';

/** What is to be run. */
export interface Options {
  readonly scenarios: readonly Scenario[];
  /** Whether the tables go into the documentation. */
  readonly record: boolean;
}

/** How to call it. */
export const usage: string = [
  'npm run simulate:rolling-update -- [options]',
  `  --server NAME          ${Object.keys(servers).join(', ')}; may be repeated; all`,
  `  --strategy NAME        ${Object.keys(strategies).join(', ')}; may be repeated; all`,
  '  --restarts N           how many replicas are replaced; 20',
  '  --clients N            how many keep a connection; 60',
  '  --learns-after-ms N    how late the balancer learns of a removal; 500',
  '  --lame-duck-ms N       how long a replica serves on, if it can; 1000',
  '  --grace-ms N           from SIGTERM to SIGKILL; 5000',
  '  --record               puts the tables into docs/rolling-updates.md',
].join('\n');

/** Reads the arguments. @throws Error that says which one is wrong */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      server: { type: 'string', multiple: true, default: Object.keys(servers) },
      strategy: { type: 'string', multiple: true, default: Object.keys(strategies) },
      restarts: { type: 'string', default: '20' },
      clients: { type: 'string', default: '60' },
      'learns-after-ms': { type: 'string', default: '500' },
      'lame-duck-ms': { type: 'string', default: '1000' },
      'grace-ms': { type: 'string', default: '5000' },
      record: { type: 'boolean', default: false },
    },
  });
  const load = {
    restarts: wholeNumber('restarts', values.restarts, 1),
    clients: wholeNumber('clients', values.clients, 1),
    learnsAfterMs: wholeNumber('learns-after-ms', values['learns-after-ms'], 0),
    lameDuckMs: wholeNumber('lame-duck-ms', values['lame-duck-ms'], 0),
    graceMs: wholeNumber('grace-ms', values['grace-ms'], 1_000),
  };
  const chosen = names('strategy', values.strategy, strategies);
  const scenarios = names('server', values.server, servers).flatMap((server) =>
    chosen
      .filter((strategy) => suits(strategy, server))
      .map((strategy): Scenario => ({ server, strategy, ...load })),
  );
  return { scenarios, record: values.record };
}

function names<N extends ServerName | StrategyName>(
  option: string,
  given: readonly string[],
  known: Readonly<Record<N, string>>,
): readonly N[] {
  for (const name of given) {
    if (!Object.hasOwn(known, name)) throw new Error(`--${option} does not know ${name}`);
  }
  return (Object.keys(known) as N[]).filter((name) => given.includes(name));
}

function wholeNumber(option: string, value: string, least: number): number {
  const number = Number(value);
  if (value !== '' && Number.isInteger(number) && number >= least) return number;
  throw new Error(`--${option} takes a whole number from ${least} up`);
}
