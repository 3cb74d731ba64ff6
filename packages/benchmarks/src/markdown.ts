/** The figures as a Markdown table: one section a case, ours first, then who is how many times slower. */
import type { Case } from './case.ts';
import type { Machine } from './machine.ts';
import type { Measured } from './measure.ts';
import type { Verdict } from './verdict.ts';

/** Everything one case came to. */
export interface Result {
  readonly subject: Pick<Case, 'name' | 'work' | 'operations'>;
  readonly measured: readonly Measured[];
  readonly verdicts: readonly Verdict[];
}

/** The whole report. */
export function markdown(results: readonly Result[], where: Machine): string {
  const versions = Object.entries(where.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${where.runtime}; ${where.cpu}, ${where.cores} cores, ${where.memoryGiB} GiB. ${versions.join(', ')}.`,
    '',
    ...results.flatMap(section),
  ].join('\n');
}

function section({ subject, measured, verdicts }: Result): string[] {
  return [
    `### ${subject.name}`,
    '',
    subject.work,
    '',
    '| contender | one run, ms | one operation, µs | spread | times ours |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...measured.map(
      ({ name, medianMs, perOperationUs, spread, ratio }, at) =>
        `| ${name} | ${medianMs.toFixed(2)} | ${perOperationUs.toFixed(3)} | ${Math.round(spread * 100)} % | ${
          at === 0 ? '' : ratio.toFixed(2)
        } |`,
    ),
    '',
    ...verdicts.map(
      ({ demand, reached, met }) => `${met ? 'Met' : '**Not met**'}: ${demand}; reached ${reached}.`,
    ),
    '',
  ];
}
