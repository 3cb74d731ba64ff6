/** The way to a server, which a test can cut: what is connected is dropped, as by a switch that restarts; new connections come through. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A way to one server. */
export class Wire implements AsyncDisposable {
  /** The server's URL, by this way. */
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(url: string, server: Server, sockets: Set<Socket>) {
    this.url = url;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Opens a way to the server at `url`. */
  static async to(url: string): Promise<Wire> {
    const there = new URL(url);
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(Number(there.port), there.hostname);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const here = new URL(url);
    here.host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    return new Wire(here.href, server, sockets);
  }

  /** Drops every connection there is; how many there were. */
  cut(): number {
    const { size } = this.#sockets;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    return size / 2;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }
}
