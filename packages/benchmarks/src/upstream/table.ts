/** The figures of all contenders as Markdown tables: what callers got, and what the upstream had to bear. */
import type { Machine } from '../machine.ts';
import type { Figures } from './figures.ts';

/** The whole report. */
export function table(figures: readonly Figures[], where: Machine): string {
  const versions = Object.entries(where.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${where.runtime}; ${where.cpu}, ${where.cores} cores, ${where.memoryGiB} GiB. ${versions.join(', ')}.`,
    '',
    '| served in time, per second | healthy | flaky | outage | recovery | all | recovered after | late |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...figures.map(({ name, goodput, recoveredAfterS, late }) =>
      row(name, [
        ...[goodput.healthy, goodput.flaky, goodput.outage, goodput.recovery, goodput.total].map(whole),
        recoveredAfterS === undefined ? 'never' : `${recoveredAfterS} s`,
        String(late),
      ]),
    ),
    '',
    '| upstream and time | calls per success | calls in the outage | longest line | Retry-After ignored | served p50, ms | served p99, ms | answer in the outage p50, ms | p99, ms |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...figures.map(({ name, callsPerSuccess, calls, longestLine, early, servedMs, outageAnswerMs }) =>
      row(name, [
        callsPerSuccess.toFixed(2),
        String(calls.outage),
        String(longestLine),
        String(early),
        ...[servedMs.p50, servedMs.p99, outageAnswerMs.p50, outageAnswerMs.p99].map(whole),
      ]),
    ),
    '',
  ].join('\n');
}

function row(name: string, cells: readonly string[]): string {
  return `| ${[name, ...cells].join(' | ')} |`;
}

function whole(value: number): string {
  return value.toFixed(0);
}
