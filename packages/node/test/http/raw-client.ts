/** One connection in the hands of a test: what it sends, when, and what comes back, byte for byte. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A client without manners. */
export class RawClient {
  readonly socket: Socket;
  /** Everything that has come so far. */
  received = '';
  /** Why the connection broke, where it did not end. */
  error: NodeJS.ErrnoException | undefined;
  readonly closed: Promise<void>;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', (error) => (this.error = error));
    socket.setEncoding('utf8').on('data', (text: string) => (this.received += text));
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  static async connectTls(port: number, ALPNProtocols?: string[]): Promise<RawClient> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols });
    await once(socket, 'secureConnect');
    return new RawClient(socket);
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** Sends the head of a request. */
  ask(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): void {
    const lines = Object.entries({ Host: 'test', ...headers }).map(([name, value]) => `${name}: ${value}`);
    this.send([`${method} ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
  }

  /** Waits until `text` has come. */
  async until(text: string): Promise<void> {
    while (!this.received.includes(text)) {
      if (this.socket.destroyed) throw new Error(`closed without "${text}": ${this.received}`);
      await Promise.race([once(this.socket, 'data'), this.closed]);
    }
  }
}
