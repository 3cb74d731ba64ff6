/** The README lists every case with every server and every engine; `vitest run test/readme.test.ts -u` writes the lists anew. */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { httpCases, jobEngineCases } from '@holdfast/conformance';
import { expect, it } from 'vitest';

const MARK = '<!-- what follows is written by test/readme.test.ts -->';

/** Sources of the test files of a folder. */
function sources(folder: string): string[] {
  const place = new URL(folder, import.meta.url);
  const files = readdirSync(place)
    .filter((file) => file.endsWith('.test.ts'))
    .toSorted();
  return files.map((file) => readFileSync(new URL(file, place), 'utf8'));
}

/** Names of the servers whose test file runs the suite. */
function servers(): string[] {
  return sources('./').flatMap((source) =>
    [...source.matchAll(/^conformance\(\s*'([^']+)'/gm)].map(([, name = '']) => name),
  );
}

/** Names of the engines whose test file runs the suite, and whether there is a server behind them. */
function engines(): (readonly [name: string, server: boolean])[] {
  return sources('./jobs/').flatMap((source) =>
    [...source.matchAll(/^ *jobEngineSuite\(\s*'([^']+)'/gm)].map(
      ([, name = '']) => [name, source.includes('onServer(')] as const,
    ),
  );
}

/** A table in Markdown, its columns as wide as their widest cell. */
function table([header = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`;
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('');
}

it('lists what all servers pass', async () => {
  const path = fileURLToPath(new URL('../README.md', import.meta.url));
  const [head = ''] = readFileSync(path, 'utf8').split(MARK);
  const names = servers();
  expect(names).toEqual(['Express', 'Hono on Node', 'Nest on Express', 'Nest on Fastify']);
  const rows = Object.entries(httpCases).flatMap(([about, cases]) =>
    cases.map(({ sentence }) => [about, sentence, ...names.map(() => 'yes')]),
  );
  const served = table([['about', 'a server …', ...names], ...rows]);
  const all = engines();
  expect(all.map(([name]) => name)).toEqual(
    expect.arrayContaining(['memory:', 'sqlite:', 'redis:', 'postgres:']),
  );
  const engineRows = Object.entries(jobEngineCases).flatMap(([about, cases]) =>
    cases.map(({ sentence, needs }) => [
      about,
      sentence,
      ...all.map(([, server]) => (needs === undefined || server ? 'yes' : '')),
    ]),
  );
  const queued = table([['about', 'an engine …', ...all.map(([name]) => name)], ...engineRows]);
  await expect(`${head}${MARK}\n\n${served}\n${queued}`).toMatchFileSnapshot(path);
});
