/** The results as Markdown: a table for each server, a column for each strategy. */
import type { Result } from './result.ts';
import type { Scenario } from './simulate.ts';
import { servers, strategies, type ServerName } from './strategies.ts';

/** A simulation and what it came to. */
export interface Simulated {
  readonly scenario: Scenario;
  readonly result: Result;
}

/** What can become of a request; anything else gets a row where it came up. */
const KINDS = ['REFUSED', 'RESET', '503', 'TIMEOUT'];

/** All tables, under the names of their servers, below a line that says how they came about. */
export function report(simulated: readonly Simulated[], where: string): string {
  const sections = (Object.keys(servers) as ServerName[])
    .map((server) => simulated.filter(({ scenario }) => scenario.server === server))
    .filter((columns) => columns.length > 0)
    .map(section);
  return [...simulated.slice(0, 1).map(({ scenario }) => `${load(scenario)} ${where}`), ...sections].join(
    '\n\n',
  );
}

function load({ restarts, clients, learnsAfterMs, lameDuckMs, graceMs }: Scenario): string {
  return (
    `${restarts} restarts, ${clients} clients; the balancer learns of a removal after ${learnsAfterMs} ms, ` +
    `a lame duck or delay lasts ${lameDuckMs} ms, SIGKILL comes after ${graceMs} ms.`
  );
}

function section(columns: readonly Simulated[]): string {
  const results = columns.map(({ result }) => result);
  const kinds = new Set([...KINDS, ...results.flatMap(({ failed }) => Object.keys(failed))]);
  const rows: [string, (result: Result) => string][] = [
    ['requests', ({ requests }) => String(requests)],
    ...[...kinds].map((kind): [string, (result: Result) => string] => [
      `failed: ${kind}`,
      ({ failed }) => String(failed[kind] ?? 0),
    ]),
    ['accepted items lost', ({ lost }) => String(lost)],
    ['items processed twice', ({ repeated }) => String(repeated)],
    ['longest shutdown', ({ longestMs }) => `${(longestMs / 1_000).toFixed(1)} s`],
    [
      'exits',
      ({ exits }) =>
        Object.entries(exits)
          .map(([exit, times]) => `${times} × ${exit}`)
          .join(', '),
    ],
  ];
  return [
    ...columns.slice(0, 1).map(({ scenario }) => `### ${servers[scenario.server]}\n`),
    line(['', ...columns.map(({ scenario }) => strategies[scenario.strategy])]),
    line(['---', ...columns.map(() => '---:')]),
    ...rows.map(([name, cell]) => line([name, ...results.map(cell)])),
  ].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
