/**
 * The clients, as a program: `node clients.js '{"port":…,"clients":60}'`. Each keeps its one connection alive and posts one item
 * after the other with pauses between them. None tries an item twice: what a client sees fail has failed.
 */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientsOrder, ClientsSettings, ClientsWord, Failure } from './clients-process.ts';

const ANSWER_WITHIN_MS = 10_000;

const { port, clients } = JSON.parse(process.argv[2] ?? '') as ClientsSettings;
const accepted: string[] = [];
const failures: Failure[] = [];
const stop = new AbortController();
let requests = 0;

process.on('message', (order: ClientsOrder) => {
  if (order.do === 'stop') stop.abort();
});
process.once('disconnect', () => process.exit(0));

await Promise.all(Array.from({ length: clients }, (_, client) => run(client)));
process.send?.({ is: 'done', requests, accepted, failures } satisfies ClientsWord);

async function run(client: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let item = 0; !stop.signal.aborted; item += 1) {
    await sleep(20 + Math.random() * 80);
    await post(agent, `${client}-${item}`);
  }
  agent.destroy();
}

/** Posts an item, and notes what became of it. */
function post(agent: Agent, id: string): Promise<void> {
  const body = JSON.stringify({ id });
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  requests += 1;
  return new Promise((resolve) => {
    const failed = (kind: string): void => {
      failures.push({ id, kind });
      resolve();
    };
    const sent = request({ host: '127.0.0.1', port, path: '/items', method: 'POST', agent, headers });
    sent.setTimeout(ANSWER_WITHIN_MS, () => sent.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })));
    sent.once('error', (error: NodeJS.ErrnoException) => failed(kindOf(error)));
    sent.once('response', (response) => {
      response.once('error', (error: NodeJS.ErrnoException) => failed(kindOf(error))).resume();
      response.once('end', () => {
        if (response.statusCode !== 202) {
          failed(String(response.statusCode));
          return;
        }
        accepted.push(id);
        resolve();
      });
    });
    sent.end(body);
  });
}

/** A write to a connection that was reset, and one that was ended without an answer, are the same to a client. */
function kindOf({ code = 'unknown' }: NodeJS.ErrnoException): string {
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'RESET' : code;
}
