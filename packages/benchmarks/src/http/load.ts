/**
 * A client that costs little: one connection a slot, one request at a time on each, answers counted by their length, which is the
 * same for all of them. While it sends it never sleeps: to wake a sleeping client costs the server more than the answer, and a fast
 * server would be spared that where a slow one is not.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const REQUEST = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

/** Connections to one server. */
export class Load {
  readonly #sockets: readonly Socket[];
  readonly #length: number;

  private constructor(sockets: readonly Socket[], length: number) {
    this.#sockets = sockets;
    this.#length = length;
  }

  /** Connects, and looks at one answer. */
  static async open(port: number, connections: number): Promise<Load> {
    const sockets = Array.from({ length: connections }, () => connect(port, '127.0.0.1').setNoDelay(true));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    const [first] = sockets;
    if (first === undefined) throw new Error('there have to be connections');
    first.write(REQUEST);
    const [answer] = (await once(first, 'data')) as [Buffer];
    const text = answer.toString('latin1');
    if (!text.startsWith('HTTP/1.1 200 ') || !text.endsWith('{"hello":"world"}'))
      throw new Error(`not the answer expected: ${text}`);
    return new Load(sockets, answer.length);
  }

  /** Sends so many requests in all; resolves with the milliseconds it took. */
  async send(requests: number): Promise<number> {
    const start = performance.now();
    let left = requests;
    let spins = true;
    const spin = (): void => {
      if (spins) setImmediate(spin);
    };
    spin();
    await Promise.all(
      this.#sockets.map(async (socket) => {
        const next = (): boolean => {
          if (left === 0) return false;
          left -= 1;
          return socket.write(REQUEST) || true;
        };
        await new Promise<void>((resolve, reject) => {
          let received = 0;
          const hear = (data: Buffer): void => {
            received += data.length;
            if (received < this.#length) return;
            received -= this.#length;
            if (next()) return;
            socket.off('data', hear).off('close', broken);
            resolve();
          };
          const broken = (): void => reject(new Error('the server has closed a connection'));
          socket.on('data', hear).once('close', broken);
          if (!next()) hear(Buffer.alloc(this.#length));
        });
      }),
    );
    spins = false;
    return performance.now() - start;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
