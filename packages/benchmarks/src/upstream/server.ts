/**
 * The upstream, as a process of its own: real sockets, a few workers, a line before them, and faults by a schedule. Like most
 * servers it does not notice that a client has left: what stands in line is done, and a worker that hangs does so for some
 * seconds. So a storm of retries takes the place of real work.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { seeded, stretchAt, type Fault, type Phase, type Stretch } from './schedule.ts';
import { BODY, type UpstreamCounts, type UpstreamOptions } from './upstream.ts';

const RETRY_AFTER_S = 1;

/** How long a worker hangs over a request that is never answered, in milliseconds. */
const HANG_MS = 2_000;

/** A piece of work; it says when it is done. */
type Job = (done: () => void) => void;

/** The workers and the line before them. */
class Workers {
  longestLine = 0;
  readonly #options: UpstreamOptions;
  readonly #line: Job[] = [];
  #busy = 0;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** Has a worker do `job`, now or in its turn; false where the line is full. */
  serve(job: Job): boolean {
    if (this.#line.length >= this.#options.backlog) return false;
    this.#line.push(job);
    this.#next();
    this.longestLine = Math.max(this.longestLine, this.#line.length);
    return true;
  }

  #next(): void {
    const job = this.#busy < this.#options.workers ? this.#line.shift() : undefined;
    if (job === undefined) return;
    this.#busy += 1;
    job(() => {
      this.#busy -= 1;
      this.#next();
    });
  }
}

class Upstream {
  readonly #options: UpstreamOptions;
  readonly #random: () => number;
  readonly #workers: Workers;
  readonly #calls: Record<Phase, number> = { healthy: 0, flaky: 0, outage: 0, recovery: 0 };
  /** When each call that was told to wait may come again. */
  readonly #notBefore: Map<string, number> = new Map<string, number>();
  #startedAt = performance.now();
  #early = 0;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
    this.#workers = new Workers(options);
  }

  get counts(): UpstreamCounts {
    return { calls: this.#calls, early: this.#early, longestLine: this.#workers.longestLine };
  }

  /** The schedule begins now. */
  start(): void {
    this.#startedAt = performance.now();
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const call = String(request.headers['x-call']);
    this.#calls[this.#stretch.phase] += 1;
    if (this.#now < (this.#notBefore.get(call) ?? 0)) this.#early += 1;
    const fault = this.#fault();
    if (fault === 'reset') request.socket.resetAndDestroy();
    else if (fault === '503') response.writeHead(503).end();
    else if (fault === '429') {
      this.#notBefore.set(call, this.#now + RETRY_AFTER_S * 1_000);
      response.writeHead(429, { 'retry-after': String(RETRY_AFTER_S) }).end();
    } else if (fault === 'drip') drip(response);
    else if (!this.#workers.serve((done) => this.#work(fault, response, done)))
      request.socket.resetAndDestroy();
  }

  get #now(): number {
    return performance.now() - this.#startedAt;
  }

  get #stretch(): Stretch {
    return stretchAt(this.#options.schedule, this.#now);
  }

  #fault(): Fault | undefined {
    const { faults, share } = this.#stretch;
    return this.#random() < share ? faults[Math.floor(this.#random() * faults.length)] : undefined;
  }

  /** What a worker does with a request: what is over by the time he comes to it does not hold him up. */
  #work(fault: Fault | undefined, response: ServerResponse, done: () => void): void {
    const met = fault !== undefined && this.#stretch.faults.includes(fault) ? fault : undefined;
    const timeMs = this.#options.serviceMs * (0.5 + this.#random());
    if (met === 'silent') setTimeout(done, HANG_MS);
    else
      setTimeout(
        () => {
          response.end(BODY);
          done();
        },
        met === 'slow' ? timeMs * 10 : timeMs,
      );
  }
}

/** Headers at once, then a byte at a time, and never the end. */
function drip(response: ServerResponse): void {
  response.writeHead(200);
  const timer = setInterval(() => response.write('.'), 100);
  response.once('close', () => clearInterval(timer));
}

const upstream = new Upstream(JSON.parse(process.argv[2] ?? '') as UpstreamOptions);
const server = createServer((request, response) => upstream.answer(request, response));
server.keepAliveTimeout = 30_000;
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () =>
  process.send?.((server.address() as AddressInfo).port),
);
process.on('message', (message) => {
  if (message === 'start') upstream.start();
  else process.send?.(upstream.counts);
});
process.once('disconnect', () => process.exit());
