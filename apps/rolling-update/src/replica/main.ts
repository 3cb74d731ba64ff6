/**
 * One replica, as a program: `node replica/main.js '{"server":"express",…}'`. It prints the port on which it listens, ends by
 * SIGTERM as its strategy has it, and at once when the program that started it is gone.
 */
import type { Server } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import type { ServerName } from '../strategies.ts';
import { Backlog } from './backlog.ts';
import type { ReplicaSettings } from './settings.ts';
import type { Started } from './started.ts';
import { processor } from './work.ts';

const settings = JSON.parse(process.argv[2] ?? '') as ReplicaSettings;
const processItem = processor(settings.ledger);

// what is loaded is what is used: a replica on Express starts without Nest
const server = settings.strategy === 'holdfast' ? await withHoldfast(settings) : await without(settings);
const { port } = server.address() as AddressInfo;
endWithParent();
console.log(`listening on ${port}`);

function withHoldfast({ server, limitMs, lameDuckMs }: ReplicaSettings): Promise<Server> {
  const shutdown = { budgetMs: limitMs, phases: { 'lame-duck': lameDuckMs } };
  const start: Record<ServerName, () => Promise<Server>> = {
    express: async () => (await import('./holdfast-express.ts')).startHoldfastExpress(processItem, shutdown),
    hono: async () => (await import('./holdfast-hono.ts')).startHoldfastHono(processItem, shutdown),
    'nest-express': async () =>
      (await import('./holdfast-nest.ts')).startHoldfastNest(processItem, shutdown, 'express'),
    'nest-fastify': async () =>
      (await import('./holdfast-nest.ts')).startHoldfastNest(processItem, shutdown, 'fastify'),
  };
  return start[server]();
}

async function without({ server, strategy, lameDuckMs, limitMs }: ReplicaSettings): Promise<Server> {
  const backlog = new Backlog(processItem);
  const start: Record<ServerName, () => Promise<Started>> = {
    express: async () => (await import('./express.ts')).startExpress(backlog),
    hono: async () => (await import('./hono.ts')).startHono(backlog),
    'nest-express': async () => (await import('./nest.ts')).startNest(backlog, 'express', strategy),
    'nest-fastify': async () => (await import('./nest.ts')).startNest(backlog, 'fastify', strategy),
  };
  const started = await start[server]();
  switch (strategy) {
    case 'plain-close':
      (await import('./plain-close.ts')).plainClose(started);
      break;
    case 'terminus':
      (await import('./terminus.ts')).terminus(started);
      break;
    case 'terminus-delay':
      (await import('./terminus.ts')).terminusWithDelay(started, lameDuckMs);
      break;
    case 'close-with-grace':
      (await import('./close-with-grace.ts')).closeGracefully(started, limitMs);
      break;
    default: // Nest's own hooks are set by Nest
  }
  return started.server;
}

/** The other end of standard input is closed when its process ends, however that comes. */
function endWithParent(): void {
  const parent = new Socket({ fd: 0 });
  parent.once('close', () => process.kill(process.pid, 'SIGKILL')).unref();
  parent.resume();
}
