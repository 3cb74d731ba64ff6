/**
 * `pnpm bench:relay`: does a saturated `POST /digests` slow its neighbours? Latency of `GET /livez` and `POST /events` on an idle
 * relay beside the same relay while its digest pool and the line before it are full, in alternating rounds, as a ratio.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { machine } from '../machine.ts';
import { median } from '../measure.ts';

const ROUNDS = 10;
const REQUESTS = 100;
const main = fileURLToPath(new URL('../../../../apps/relay-express/dist/main.js', import.meta.url));

async function post(url: string, body: unknown): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return response.status;
}

async function timesMs(ask: () => Promise<number>, expected: number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < REQUESTS; n += 1) {
    const start = performance.now();
    const status = await ask();
    times.push(performance.now() - start);
    if (status !== expected) throw new Error(`answered ${status} in place of ${expected}`);
  }
  return times;
}

/** Keeps the digest pool and its line full until told to stop. */
function saturate(relay: string): () => Promise<number> {
  const stop = new AbortController();
  let done = 0;
  const client = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      if ((await post(`${relay}/digests`, { text: 'x', cost: 15 })) === 200) done += 1;
      else await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const clients = Array.from({ length: 16 }, client);
  return async () => {
    stop.abort();
    await Promise.all(clients);
    return done;
  };
}

function p99(times: readonly number[]): string {
  return (times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN).toFixed(2);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const subscriber = createHttpServer((_, response) => response.writeHead(204).end());
await new Promise<void>((resolve) => subscriber.listen(0, '127.0.0.1', resolve));
const hook = `http://127.0.0.1:${(subscriber.address() as AddressInfo).port}/`;
const data = mkdtempSync(join(tmpdir(), 'bench-'));
const port = await freePort();
const child = spawn(process.execPath, [main], {
  env: { ...process.env, PORT: String(port), RELAY_DATA: data },
  stdio: ['ignore', 'ignore', 'inherit'],
});
const relay = `http://127.0.0.1:${port}`;
try {
  while (
    (await fetch(`${relay}/readyz`).then(
      ({ status }) => status,
      () => 0,
    )) !== 200
  )
    await new Promise((resolve) => setTimeout(resolve, 50));
  const asks = {
    'GET /livez': () => timesMs(async () => (await fetch(`${relay}/livez`)).status, 200),
    'POST /events': () => timesMs(() => post(`${relay}/events`, { url: hook, payload: 1 }), 202),
  };
  const found = Object.keys(asks).map((name) => ({ name, idle: [] as number[], beside: [] as number[] }));
  let digests = 0;
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const [at, ask] of Object.values(asks).entries()) {
      const idle = await ask();
      const stop = saturate(relay);
      const beside = await ask();
      digests += await stop();
      if (round >= 0) found[at]?.idle.push(...idle);
      if (round >= 0) found[at]?.beside.push(...beside);
    }
  }
  const { runtime, cpu, cores } = machine([]);
  console.log(`${runtime}; ${cpu}, ${cores} cores. ${digests} digests of cost 15 meanwhile.\n`);
  console.log('| request | idle, median ms | beside digests, median ms | ratio | idle p99 | beside p99 |');
  console.log('| --- | ---: | ---: | ---: | ---: | ---: |');
  for (const { name, idle, beside } of found) {
    const [calm, busy] = [median(idle), median(beside)];
    console.log(
      `| ${name} | ${calm.toFixed(2)} | ${busy.toFixed(2)} | ${(busy / calm).toFixed(2)} | ${p99(idle)} | ${p99(beside)} |`,
    );
  }
} finally {
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('close', resolve));
  subscriber.closeAllConnections();
  subscriber.close();
  rmSync(data, { recursive: true });
}
