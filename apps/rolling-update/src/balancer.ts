/**
 * The balancer, as a program: TCP as kube-proxy has it. A connection stays with its replica until it closes; new ones go in turn to
 * the replicas that the balancer believes in. It believes in one once that says it is ready, and until it has learned, late, that
 * it is gone. A connection to a replica that no longer listens is reset.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BalancerOrder, BalancerWord } from './balancer-process.ts';

const PROBE_EVERY_MS = 20;

const believed: number[] = [];
let turn = 0;
let refused = 0;

const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
  const port = believed[turn++ % believed.length];
  if (port === undefined) {
    client.resetAndDestroy();
    return;
  }
  const replica = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  replica.once('connect', () => {
    client.pipe(replica);
    replica.pipe(client);
    client.resume();
  });
  replica.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') refused += 1;
    client.resetAndDestroy();
  });
  client.once('error', () => replica.resetAndDestroy());
  closeTogether(client, replica);
});

/** A socket that is closed by force leaves the other one nothing to wait for. */
function closeTogether(one: Socket, other: Socket): void {
  one.once('close', () => other.destroy());
  other.once('close', () => one.destroySoon());
}

process.on('message', (order: BalancerOrder) => {
  switch (order.do) {
    case 'add':
      void add(order.port);
      break;
    case 'remove':
      setTimeout(() => {
        believed.splice(believed.indexOf(order.port), 1);
        say({ is: 'removed', port: order.port });
      }, order.delayMs);
      break;
    case 'count':
      say({ is: 'counted', refused });
      break;
  }
});
process.once('disconnect', () => process.exit(0));

server.listen(0, '127.0.0.1');
await once(server, 'listening');
say({ is: 'listening', port: (server.address() as AddressInfo).port });

async function add(port: number): Promise<void> {
  await ready(port);
  believed.push(port);
  say({ is: 'added', port });
}

async function ready(port: number): Promise<void> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: 'close' } });
    await response.arrayBuffer();
    if (response.status < 300) return;
    await sleep(PROBE_EVERY_MS);
  }
}

function say(word: BalancerWord): void {
  process.send?.(word);
}
