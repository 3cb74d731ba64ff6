/** The README lists every case and every server; `vitest run test/readme.test.ts -u` writes the list anew. */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { httpCases } from '@holdfast/conformance';
import { expect, it } from 'vitest';

const MARK = '<!-- what follows is written by test/readme.test.ts -->';

/** Names of the servers whose test file runs the suite. */
function servers(): string[] {
  const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.test.ts'));
  const sources = files.map((file) => readFileSync(new URL(file, import.meta.url), 'utf8'));
  return sources.flatMap((source) =>
    [...source.matchAll(/^conformance\(\s*'([^']+)'/gm)].map(([, name = '']) => name),
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
  await expect(
    `${head}${MARK}\n\n${table([['about', 'a server …', ...names], ...rows])}`,
  ).toMatchFileSnapshot(path);
});
