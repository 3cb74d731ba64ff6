/** Against a server that ends a connection in the very packet that says it is ready, as PostgreSQL may when it shuts down. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { borrow } from '../../src/postgres/postgres-client.ts';
import { PostgresListener } from '../../src/outbox/postgres-listener.ts';
import { PostgresTable } from '../../src/outbox/postgres-table.ts';

/** One message of PostgreSQL's protocol. */
function message(type: string, body: Buffer | string): Buffer {
  const content = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(content.length + 4, 1);
  return Buffer.concat([head, content]);
}

const ready = [message('R', Buffer.alloc(4)), message('Z', 'I')];
const ended = message(
  'E',
  'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0',
);

let server: Server;
let pool: Pool;
let connections: number;

beforeEach(async () => {
  connections = 0;
  server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => {});
    socket.once('data', () => socket.end(Buffer.concat([...ready, ended])));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  pool = new Pool({ host: '127.0.0.1', port, user: 'nobody', database: 'none' });
  pool.on('error', () => {});
});
afterEach(async () => {
  await pool.end();
  await new Promise((resolve) => server.close(resolve));
});

describe('a connection that ends as soon as it is ready', () => {
  it('tells the borrower, and not the process', async () => {
    const heard: unknown[] = [];
    const connection = await borrow(pool, (error) => heard.push(Reflect.get(error, 'code')), 5_000);
    expect(heard).toEqual(['57P01']);
    connection.release(true);
  });

  it('makes an outbox fail to take rows', async () => {
    await expect(new PostgresTable(pool, 'mails', 1_000).take(10)).rejects.toThrow('not queryable');
    expect(pool.totalCount).toBe(0);
  });

  it('makes a listener try again', async () => {
    using listener = new PostgresListener(pool, 'mails', 5_000, () => {});
    listener.start();
    await expect.poll(() => connections, { timeout: 5_000 }).toBeGreaterThan(1);
  });

  it('is an error of the pool where none is to be had', async () => {
    const nowhere = new Pool({ host: '127.0.0.1', port: 1 });
    await expect(borrow(nowhere, () => {}, 5_000)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await nowhere.end();
  });
});
