/**
 * `pnpm bench:scale-out [redis|postgres]`: events per second, from the first request to the last delivery, against the number of relay processes
 * that share one queue and one store. All of it, engine, receiver and producer included, is on this machine's cores.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { postgresServer, redisServer } from '@holdfast/conformance/engines';
import { machine } from '../machine.ts';
import { median } from '../measure.ts';

const EVENTS = 4_000;
const BATCH = 50;
const ROUNDS = 3;
const PROCESSES = [1, 2, 4];
const main = fileURLToPath(new URL('../../../../apps/relay-hono/dist/main.js', import.meta.url));

const taken = new Set<string>();
let complete = (): void => {};
const receiver = createServer((request, response) => {
  request.resume().once('end', () => {
    taken.add(String(request.headers['idempotency-key']));
    response.writeHead(204).end();
    if (taken.size === EVENTS) complete();
  });
});
receiver.listen(0, '127.0.0.1');
await once(receiver, 'listening');
const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;

async function startRelay(
  url: string,
  data: string,
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      RELAY_QUEUE: url,
      RELAY_DATA: data,
      RELAY_QUEUE_CAPACITY: String(2 * EVENTS),
      RELAY_ADMISSION_WAIT_MS: '10000',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const listening = await new Promise<string>((resolve, reject) => {
    child.once('close', () => reject(new Error('a relay did not start')));
    // read to the end: a relay whose output nobody takes fails to print
    createInterface(child.stdout).on('line', (line) => {
      const [, address] = /^listening on (\S+)/.exec(line) ?? [];
      if (address !== undefined) resolve(address);
    });
  });
  return { child, url: listening };
}

/** Events per second through so many relays. */
async function round(url: string, processes: number): Promise<number> {
  const data = mkdtempSync(join(tmpdir(), 'bench-scale-'));
  const relays = await Promise.all(Array.from({ length: processes }, () => startRelay(url, data)));
  taken.clear();
  const done = new Promise<void>((resolve) => (complete = resolve));
  const ids = Array.from({ length: EVENTS }, (_, n) => `e${n}`);
  const startedAt = performance.now();
  let next = 0;
  const hand = async (relay: string): Promise<void> => {
    while (next < EVENTS) {
      const events = ids.slice(next, next + BATCH).map((id) => ({ id, url: hook, payload: id }));
      next += BATCH;
      const response = await fetch(`${relay}/events/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ events }),
      });
      const { successes } = (await response.json()) as { readonly successes: readonly unknown[] };
      if (successes.length !== events.length) throw new Error('an event was refused');
    }
  };
  await Promise.all([0, 1, 2, 3].map((n) => hand(relays[n % processes]?.url ?? '')));
  await done;
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const { child } of relays) child.kill('SIGTERM');
  await Promise.all(relays.map(({ child }) => once(child, 'close')));
  rmSync(data, { recursive: true });
  return EVENTS / seconds;
}

const { runtime, cpu, cores } = machine([]);
console.log(`${runtime}; ${cpu}, ${cores} cores for all. ${EVENTS} events, median of ${ROUNDS} rounds.\n`);
console.log(`| engine | ${PROCESSES.map((n) => `${n} relay${n === 1 ? '' : 's'}, events/s`).join(' | ')} |`);
console.log(`| --- | ${PROCESSES.map(() => '---:').join(' | ')} |`);
const chosen = process.argv.slice(2);
for (const kind of [redisServer, postgresServer]) {
  if (chosen.length > 0 && !chosen.includes(kind.name)) continue;
  if (!kind.found()) {
    console.error(`SKIP ${kind.name}: ${kind.binary} not found (apt-get install ${kind.debianPackage})`);
    continue;
  }
  const server = await kind.start();
  const found = PROCESSES.map((): number[] => []);
  for (let n = 0; n < ROUNDS; n += 1)
    for (const [at, processes] of PROCESSES.entries()) found[at]?.push(await round(server.url, processes));
  await server[Symbol.asyncDispose]();
  console.log(`| ${kind.name} | ${found.map((rates) => Math.round(median(rates))).join(' | ')} |`);
}
receiver.closeAllConnections();
receiver.close();
