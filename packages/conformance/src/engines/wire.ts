/**
 * The way to a server. A test can cut it: what is connected is dropped, as by a switch that restarts, and new connections come
 * through. Or it can hold it: nothing arrives on either side until it lets go, and nothing is lost. Or mute it: what is connected
 * stays so and hears nothing any more, as behind a switch that has forgotten it.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A way to one server. */
export class Wire implements AsyncDisposable {
  /** The server's URL, by this way. */
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  #held = false;

  private constructor(url: string, server: Server, sockets: Set<Socket>) {
    this.url = url;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Opens a way to the server at `url`. */
  static async to(url: string): Promise<Wire> {
    const there = new URL(url);
    const sockets = new Set<Socket>();
    let wire: Wire | undefined;
    const server = createServer((near) => {
      const far = connect(Number(there.port), there.hostname);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.on('error', () => {});
        one.on('data', (chunk: Buffer) => other.write(chunk));
        one.on('end', () => other.end());
        one.on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
        if (wire !== undefined && wire.#held) one.pause();
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const here = new URL(url);
    here.host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    wire = new Wire(here.href, server, sockets);
    return wire;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Lets nothing through until `release`. */
  hold(): void {
    this.#held = true;
    this.mute();
  }

  /** Lets nothing through, until `release`, on the connections that there are; new ones come through. */
  mute(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  /** Ends `hold`. */
  release(): void {
    this.#held = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Drops every connection there is; how many there were. */
  cut(): number {
    const { connections } = this;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    return connections;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }
}
