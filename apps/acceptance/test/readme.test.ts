/** The table of the README is written from `src/patterns.ts`: `vitest run test/readme.test.ts -u` writes it anew. */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { patterns } from '../src/patterns.ts';
import { servers } from '../src/servers.ts';

const MARK = '<!-- what follows is written by test/readme.test.ts -->';

const suites = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.test.ts'))
  .flatMap((file) => {
    const source = readFileSync(new URL(file, import.meta.url), 'utf8');
    return source.split(/^describe\.each\(servers\w*\)\(/m).slice(1);
  });

it.each(patterns)('names a test that exists for $pattern', ({ suite, sentence }) => {
  const found = suites.filter(
    (source) => source.startsWith(`'${suite}'`) && source.includes(`it('${sentence}'`),
  );
  expect(found).toHaveLength(1);
});

it('lists the test of each pattern on each server', async () => {
  const path = fileURLToPath(new URL('../README.md', import.meta.url));
  const [head = ''] = readFileSync(path, 'utf8').split(MARK);
  const rows = [
    ['pattern', ...servers.map(({ name }) => name)],
    ['---', ...servers.map(() => '---')],
    ...patterns.map(({ pattern, suite, sentence }) => [
      pattern,
      ...servers.map(({ name }) => `${suite.replace('$name', name)}: ${sentence}`),
    ]),
  ];
  const widths = ['pattern', ...servers].map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const table = rows
    .map((cells, row) => cells.map((cell, at) => cell.padEnd(widths[at] ?? 0, row === 1 ? '-' : ' ')))
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
  await expect(`${head}${MARK}\n\n${table}`).toMatchFileSnapshot(path);
});
