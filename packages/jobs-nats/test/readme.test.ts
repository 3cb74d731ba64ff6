/** The README shows what is so: its program compiles, and its table agrees with what the engine says of itself. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { nats } from '../src/index.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const folder = fileURLToPath(new URL('../node_modules/.readme/', import.meta.url));
const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('shows a program that compiles', { timeout: 30_000 }, async () => {
  const [, program] = /^```ts\n(.*?)^```$/ms.exec(readme) ?? [];
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    `${folder}given.d.ts`,
    `declare interface Mail { readonly to: string }
declare function send(mail: Mail, options: { readonly idempotencyKey: string; readonly signal: AbortSignal }): Promise<void>;
`,
  );
  writeFileSync(`${folder}program.ts`, `${program}\nexport {};\n`);
  writeFileSync(
    `${folder}tsconfig.json`,
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { isolatedDeclarations: false },
      include: ['*.ts'],
    }),
  );
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe('');
});

const { capabilities } = nats.connect(new URL('nats://127.0.0.1'));

it.each([
  ['delivery', 'at least once', { delivery: 'at-least-once' }],
  ['survives a loss of power', 'not by default', { durability: 'server-config' }],
  ['who shares a queue', 'everybody', { reach: 'network' }],
  ['survives a killed worker', 'yes; its job runs again when the lease', { crashDetection: 'lease' }],
  ['whose clock ends a lease', "the server's", { leaseClock: 'server' }],
  ['whose clock ends a delay', "the server's", { delayClock: 'server' }],
  ['order', 'readiness; one consumer', { order: 'fifo-single-consumer' }],
  ['priorities', 'none', { priority: 'none' }],
  ['delays', 'made here', { delay: 'emulated' }],
  [
    'ids',
    'a second job of an id is answered `duplicate` for two minutes',
    { dedupe: { scope: 'window', windowMs: 120_000, reported: true } },
  ],
  ['`maxDepth`', 'by samples', { backpressure: 'sampled' }],
  ['`enqueueMany`', 'not as a whole', { atomicBatch: false }],
  ['pausing', 'a loop, not a queue', { pause: 'consumer' }],
  ['counted', 'the depth and the dead', { counts: ['dead'] }],
  ['largest payload', '64 kB less', { maxPayloadBytes: 1_048_576 - 65_536 }],
])('says of %s what the engine does', (row, text, capability) => {
  const line = readme.split('\n').find((one) => one.startsWith(`| ${row} `));
  expect(line?.split('|')[2]?.trim()).toMatch(new RegExp(`^${text}`, 'u'));
  expect(capabilities).toMatchObject(capability);
});
