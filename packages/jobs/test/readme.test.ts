/** The README shows what is so: its commands are run, and its programs compile. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { JobQueue, noRetry, subscribe } from '@holdfast/core';
import { sqlite } from '@holdfast/jobs-sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { holdfastJobs } from './cli/command.ts';
import { temporaryFiles } from './folder.ts';
import { connections } from './sqlite.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const newFile = temporaryFiles();
const connect = connections();

/** Code of these fences. */
function blocks(language: string): readonly string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, code = '']) => code,
  );
}

/** A queue as the README finds it. Returns a function that makes its jobs four minutes old. */
async function prepare(file: string): Promise<() => void> {
  const queue = new JobQueue<unknown>({
    name: 'mails',
    url: `sqlite:${file}`,
    engines: [sqlite],
    retry: { baseDelayMs: 0 },
  });
  await queue.enqueueMany([
    { payload: { to: 'bob@example.org' }, id: 'welcome-bob' },
    { payload: { to: 'eve@example.org' }, id: 'welcome-eve' },
  ]);
  const loop = queue.consume((_mail, { id }) => {
    if (id === 'welcome-eve') throw noRetry(new Error('550 no such user'));
    throw new Error('421 try again later');
  });
  await expect.poll(() => queue.stats()).toMatchObject({ dead: 2 });
  await loop.stop();
  await queue.enqueueMany([1, 2, 3].map((payload) => ({ payload })));
  await queue[Symbol.asyncDispose]();
  const orders = new JobQueue<number>({ name: 'orders', url: `sqlite:${file}`, engines: [sqlite] });
  await orders.enqueue(1, { delayMs: 3_600_000 });
  await orders[Symbol.asyncDispose]();
  const db = connect(file);
  db.prepare(
    "UPDATE holdfast_jobs SET died_at = ?, position = CASE id WHEN 'welcome-bob' THEN 1 ELSE 2 END WHERE died_at > 0",
  ).run(Date.parse('2026-03-01T09:30:00Z'));
  return () => void db.prepare('UPDATE holdfast_jobs SET enqueued_at = ?').run(Date.now() - 242_000);
}

/** Some seconds may pass until a command has answered. */
function steady(output: string): string {
  return output
    .replaceAll(/4 m \d s/g, '4 m 2 s')
    .replaceAll(/"oldestAgeMs": 24\d{4}/g, '"oldestAgeMs": 242000');
}

/** What a shell makes of a line, as far as the README goes. */
function words(line: string): readonly string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

describe('the commands', () => {
  const [session = ''] = blocks('console');
  const steps = session.split(/^\$ /m).filter((step) => step.startsWith('npx holdfast-jobs '));

  it('answer as shown', async () => {
    subscribe(() => {});
    const file = newFile();
    const age = await prepare(file);
    expect(steps.length).toBeGreaterThan(8);
    for (const step of steps) {
      const [line = '', ...shown] = step.split('\n');
      age();
      const { out, err } = await holdfastJobs(words(line).slice(2), { url: `sqlite:${file}` });
      expect(steady(out + err)).toBe(shown.join('\n'));
    }
  });
});

describe('the programs', () => {
  const folder = fileURLToPath(new URL('../node_modules/.readme/', import.meta.url));
  const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('compile', async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      `${folder}given.d.ts`,
      `declare interface Mail { readonly to: string }
declare const email: string;
declare const pool: import('pg').Pool;
declare const client: import('pg').PoolClient;
declare const service: import('@holdfast/core').Service;
declare const charges: import('@holdfast/core').JobQueue<{ readonly cents: number }>;
declare function pay(charge: { readonly cents: number }, attempt: number, signal: AbortSignal): Promise<void>;
declare module 'node:sqlite' {
  export { DatabaseSync } from '@photostructure/sqlite';
}
`,
    );
    const programs = blocks('ts');
    expect(programs.length).toBe(4);
    for (const [index, program] of programs.entries()) {
      const given = index === 0 ? '' : `declare const mails: import('@holdfast/core').JobQueue<Mail>;\n`;
      writeFileSync(`${folder}program-${index}.ts`, program + given + 'export {};\n');
    }
    const options = {
      extends: '../../tsconfig.json',
      compilerOptions: { isolatedDeclarations: false },
      include: ['*.ts'],
    };
    writeFileSync(`${folder}tsconfig.json`, JSON.stringify(options));
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe('');
  });
});
