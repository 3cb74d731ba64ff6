/**
 * What goes wrong in production, each with a real process, real signals and real sockets: whatever hangs, throws, blocks or keeps
 * its connection, the process ends inside its budget with the code that says how it went, and the report names what was left.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:http2';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Child, reportOf, type Ending } from '../child.ts';
import { RawClient } from '../http/raw-client.ts';

/** How much longer than its budget a process may take here: it starts and ends on a busy machine. */
const SLACK_MS = 3_000;

interface Ended extends Ending {
  /** From the first signal, or from the start where there is none, to the end. */
  readonly tookMs: number;
}

/** Runs a program; after each line that is named, the signal is sent. */
async function run(
  program: string,
  steps: readonly (readonly [line: string, signal: NodeJS.Signals])[] = [],
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Promise<Ended> {
  const child = new Child('program.mjs', [program, ...args], { BUDGET_MS: '5000', ...env });
  let since = performance.now();
  for (const [index, [line, signal]] of steps.entries()) {
    await child.line(line);
    if (index === 0) since = performance.now();
    else await delay(600); // later than a signal that came twice
    child.process.kill(signal);
  }
  const ending = await child.ended;
  return { ...ending, tookMs: performance.now() - since };
}

const onTerm = [['running', 'SIGTERM']] as const;

describe('a hook that never settles', () => {
  it('with nothing else alive is timed out, and the code is 1', async () => {
    const ending = await run('hook hangs');
    expect(ending.code).toBe(1);
    expect(reportOf(ending)).toMatchObject({
      outcome: 'failed',
      hooks: expect.arrayContaining([expect.objectContaining({ name: 'hanging', outcome: 'timed-out' })]),
    });
  });

  it('with timers and servers still open is timed out, and the code is 1', async () => {
    const ending = await run('hook hangs beside open handles', onTerm);
    expect(ending.code).toBe(1);
    expect(ending.tookMs).toBeLessThan(5_000 + SLACK_MS);
    expect(reportOf(ending)).toMatchObject({
      outcome: 'failed',
      hooks: [
        { name: 'database', outcome: 'ok' },
        { name: 'hanging', outcome: 'timed-out' },
      ],
    });
  });

  it('and has no time-out uses the budget up: the flush still runs, and the code is 124', async () => {
    const ending = await run('hook hangs without a time-out', onTerm, { BUDGET_MS: '1500' });
    expect(ending.code).toBe(124);
    expect(ending.tookMs).toBeLessThan(1_500 + SLACK_MS);
    expect(ending.lines).toContain('traces flushed');
    expect(reportOf(ending)).toMatchObject({
      outcome: 'timed-out',
      hooks: [
        { name: 'hanging', outcome: 'timed-out' },
        { name: 'database', outcome: 'timed-out' },
        { name: 'traces', outcome: 'ok' },
      ],
    });
  });

  it('in every phase, with a queue that never drains, never closes and cannot be disposed of', async () => {
    const ending = await run('everything hangs', onTerm, { BUDGET_MS: '1500' });
    expect(ending.code).toBe(124);
    expect(ending.tookMs).toBeLessThan(1_500 + SLACK_MS);
    const report = reportOf(ending);
    expect(report).toMatchObject({ outcome: 'timed-out', leaked: ['main', 'queue'] });
    expect(report.hooks.map(({ name }) => name).toSorted()).toEqual(
      ['cancel', 'close', 'drain', 'flush', 'intake', 'lame-duck']
        .map((phase) => `${phase} hook`)
        .concat('database')
        .toSorted(),
    );
  });
});

it('a hook that throws undefined has failed, and the code is 1', async () => {
  const ending = await run('hook throws undefined', onTerm);
  expect(ending.code).toBe(1);
  expect(reportOf(ending)).toMatchObject({
    outcome: 'failed',
    hooks: expect.arrayContaining([{ name: 'throwing', outcome: 'failed' }]),
  });
  expect(ending.lines).toContain('database closed');
});

describe('an uncaught error', () => {
  it('while it drains is recorded, and cancels what is left', async () => {
    const ending = await run('uncaught while it drains', onTerm);
    expect(ending.code).toBe(1);
    expect(ending.errors).toContain('Error: thrown while it drains');
    expect(ending.tookMs).toBeLessThan(5_000 + SLACK_MS);
    const report = reportOf(ending);
    expect(report).toMatchObject({ cause: 'SIGTERM', outcome: 'failed', leaked: ['deaf'] });
    expect(report.hooks[0]).toMatchObject({ name: 'uncaughtException', outcome: 'failed' });
    expect(ending.lines).toContain('database closed');
  });

  it('and a second one: only the flush is left, and the code is 1', async () => {
    const ending = await run('uncaught twice while it drains', onTerm);
    expect(ending.code).toBe(1);
    expect(reportOf(ending)).toMatchObject({
      outcome: 'failed',
      hooks: [
        { name: 'unhandledRejection', outcome: 'failed' },
        { name: 'uncaughtException', outcome: 'failed' },
        { name: 'database', outcome: 'timed-out' },
        { name: 'traces', outcome: 'ok' },
      ],
    });
    expect(ending.lines).toContain('traces flushed');
  });
});

describe('signals', () => {
  it('that npm delivers a second time are one, and the program drains', async () => {
    const cwd = fileURLToPath(new URL('../fixtures/npm', import.meta.url));
    const npm = spawn('npm', ['start', '--silent', '--', 'counts its signals'], {
      cwd,
      detached: true, // a process group of its own, as a terminal gives
      env: { ...process.env, npm_config_update_notifier: 'false' },
    });
    const lines: string[] = [];
    const exited = once(npm, 'exit');
    for await (const line of createInterface(npm.stdout)) {
      lines.push(line);
      if (!line.startsWith('running')) continue;
      process.kill(-(npm.pid ?? Number.NaN), 'SIGINT'); // Ctrl-C reaches the whole group
      await delay(100);
      process.kill(Number(line.split(' ')[1]), 'SIGINT'); // and is handed on, as npm and pnpm do by version
    }
    await exited;
    expect(lines.find((line) => line.startsWith('heard'))).toMatch(/heard [23]/);
    expect(lines.find((line) => line.startsWith('report'))).toContain('"outcome":"clean"');
    expect(lines).toContain('database closed');
  });

  it('SIGTERM repeated is ignored: what is in flight is finished', async () => {
    const ending = await run('deaf', [
      ['running', 'SIGTERM'],
      ['told to stop', 'SIGTERM'],
      ['told to stop', 'SIGTERM'],
    ]);
    expect(ending.code).toBe(1);
    expect(reportOf(ending)).toMatchObject({ outcome: 'leaked', leaked: ['main'] });
  });

  it('SIGINT a second time cancels, long before the drain is over', async () => {
    const ending = await run(
      'deaf',
      [
        ['running', 'SIGTERM'],
        ['told to stop', 'SIGINT'],
      ],
      { BUDGET_MS: '60000' },
    );
    expect(ending.code).toBe(1);
    expect(ending.tookMs).toBeLessThan(10_000 + SLACK_MS);
    expect(reportOf(ending)).toMatchObject({ outcome: 'leaked', leaked: ['main'] });
  });

  it('SIGHUP shuts down', async () => {
    const ending = await run('loop', [['running', 'SIGHUP']]);
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ cause: 'SIGHUP', outcome: 'clean' });
  });

  it('SIGUSR2, asked for, shuts down and ends the process by itself, for a watcher that restarts it', async () => {
    const ending = await run('restarts by SIGUSR2', [['running', 'SIGUSR2']]);
    expect(ending).toMatchObject({ code: null, signal: 'SIGUSR2' });
    expect(reportOf(ending)).toMatchObject({ cause: 'SIGUSR2', outcome: 'clean' });
  });

  it('SIGUSR2, not asked for, is nothing of ours', async () => {
    const ending = await run('loop', [['running', 'SIGUSR2']]);
    expect(ending).toMatchObject({ code: null, signal: 'SIGUSR2', lines: ['running'] });
  });

  it('are nobody’s again once the handle is disposed', async () => {
    const ending = await run('lets go', onTerm);
    expect(ending).toMatchObject({ code: null, signal: 'SIGTERM', lines: ['running'] });
  });

  it('have one owner where two copies of the package are loaded, and both services shut down', async () => {
    const modules = fileURLToPath(new URL('../../node_modules/', import.meta.url));
    const copy = mkdtempSync(`${modules}.copy-`);
    try {
      cpSync(fileURLToPath(new URL('../../dist', import.meta.url)), copy, { recursive: true });
      const ending = await run('in two copies', onTerm, {}, [pathToFileURL(`${copy}/index.js`).href]);
      expect(ending).toMatchObject({ code: 0, errors: '' });
      expect(ending.lines).toEqual(
        expect.arrayContaining(['two copies', 'running with 1 listeners', 'database closed', 'second clean']),
      );
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});

it('a service that is shut down thrice, also afterwards, has one report', async () => {
  const ending = await run('is shut down thrice');
  expect(ending).toMatchObject({ code: 0, errors: '' });
  expect(ending.lines.filter((line) => line.startsWith('report'))).toHaveLength(1);
  expect(ending.lines).toContain('1 report');
});

describe('a loop that is blocked before any signal', () => {
  it('is killed where the watchdog listens to its beat', async () => {
    const ending = await run('is blocked before any signal', onTerm);
    expect(ending).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(ending.errors).toBe(
      'The event loop has been blocked for more than 500 ms, the process is killed\n',
    );
  });

  it('and one that is not ends in order under the same watch', async () => {
    const ending = await run('is watched and ends in order', onTerm);
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(ending.lines.at(-1)).toBe('after');
  });

  it('is told of with its culprit, and the process ends as if nobody had looked', async () => {
    const ending = await run('tells who blocked the loop', [['blocked', 'SIGTERM']]);
    expect(ending.code).toBe(0);
    expect(ending.errors).toBe(''); // no word of a debugger
    expect(ending.lines.find((line) => line.startsWith('blocked'))).toMatch(
      /"culprit \(.*program\.mjs:\d+\)"/,
    );
  });
});

interface Running {
  readonly child: Child;
  readonly port: number;
}

async function serve(env: Readonly<Record<string, string>> = {}): Promise<Running> {
  const child = new Child('server.mjs', [], { BUDGET_MS: '5000', ...env });
  const line = await child.line('listening');
  return { child, port: Number(line.split(' ')[1]) };
}

const clean = { outcome: 'clean', leaked: [] };

describe('a connection', () => {
  it('that never says a word, that has said half a head, and that is idle, hold up nothing but the drain', async () => {
    const { child, port } = await serve({ BUDGET_MS: '2500' });
    const [silent, half, idle] = await Promise.all([
      RawClient.connect(port),
      RawClient.connect(port),
      RawClient.connect(port),
    ]);
    idle.ask('/');
    await idle.until('ok');
    half.send('GET / HTTP/1.1\r\nHost: te');
    await delay(50);
    const since = performance.now();
    child.process.kill('SIGTERM');
    const ending = await child.ended;
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(performance.now() - since).toBeLessThan(2_500 + SLACK_MS);
    expect(reportOf(ending)).toMatchObject(clean);
    await Promise.all([silent.closed, half.closed, idle.closed]);
  });

  it('that keeps writing on a kept-alive socket is told to leave, and does not keep the process', async () => {
    const { child, port } = await serve();
    const client = await RawClient.connect(port);
    let asked = 0;
    client.socket.on('data', () => {
      asked += 1;
      client.ask('/'); // as soon as there is an answer, and as long as there is a connection
    });
    client.ask('/');
    await client.until('ok');
    child.process.kill('SIGTERM');
    const ending = await child.ended;
    await client.closed;
    expect(asked).toBeGreaterThan(0);
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject(clean);
  });

  it('whose answer had promised more ends after that answer', async () => {
    const { child, port } = await serve();
    const client = await RawClient.connect(port);
    client.ask('/flushed');
    await client.until('first');
    child.process.kill('SIGTERM');
    await client.closed;
    const ending = await child.ended;
    expect(client.received).toContain('last');
    expect(client.received).toContain('Connection: keep-alive');
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0 } });
  });

  it('whose upload stands still gets 408 after five seconds', async () => {
    const { child, port } = await serve({ BUDGET_MS: '25000' });
    const client = await RawClient.connect(port);
    client.ask('/upload', { 'Content-Length': '10' }, 'POST');
    client.send('01234');
    await child.line('/upload');
    const since = performance.now();
    child.process.kill('SIGTERM');
    const ending = await child.ended;
    await client.closed;
    expect(client.received).toMatch(/^HTTP\/1\.1 408 /);
    expect(performance.now() - since).toBeLessThan(10_000 + SLACK_MS);
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 0, cancelled: 1 } });
  });

  it('with a stream of events gets its last word, when to come again, and its end', async () => {
    const { child, port } = await serve();
    const client = await RawClient.connect(port);
    client.ask('/sse');
    await client.until('data: hello');
    child.process.kill('SIGTERM');
    await client.closed;
    const ending = await child.ended;
    expect(client.received).toMatch(/retry: \d{3,4}\n\n/);
    expect(ending.lines).toContain('stream: SHUTTING_DOWN');
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0 } });
  });

  it('with a stream that nobody ends is cut in the cancel phase', async () => {
    const { child, port } = await serve({ BUDGET_MS: '2500' });
    const client = await RawClient.connect(port);
    client.ask('/stuck-events');
    await client.until('data: hello');
    child.process.kill('SIGTERM');
    const ending = await child.ended;
    await client.closed;
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 0, cancelled: 1 } });
  });

  it('of WebSockets is closed with 1001', async () => {
    const { child, port } = await serve();
    const sockets = Array.from({ length: 3 }, () => new WebSocket(`ws://127.0.0.1:${port}/ws`));
    await Promise.all(sockets.map((socket) => once(socket, 'message')));
    const closed = Promise.all(sockets.map((socket) => once(socket, 'close')));
    child.process.kill('SIGTERM');
    for (const [code] of await closed) expect(code).toBe(1_001);
    const ending = await child.ended;
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 3, cancelled: 0 } });
  });

  it('that speaks something else, and does not leave, is cut in the cancel phase', async () => {
    const { child, port } = await serve({ BUDGET_MS: '2500' });
    const client = await RawClient.connect(port);
    client.ask('/', { Connection: 'Upgrade', Upgrade: 'test' });
    await child.line('upgraded');
    child.process.kill('SIGTERM');
    const ending = await child.ended;
    await client.closed;
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { cancelled: 1 } });
  });

  it('of HTTP/2 is told to leave; a stream that ends is finished, one that does not is cut, an idle one waits for nothing', async () => {
    const { child, port } = await serve({ PROTOCOL: 'http2', BUDGET_MS: '2500' });
    const [busy, stuck, idle] = Array.from({ length: 3 }, () => connect(`http://127.0.0.1:${port}`));
    if (busy === undefined || stuck === undefined || idle === undefined) throw new Error('no sessions');
    for (const session of [busy, stuck, idle]) session.on('error', () => {});
    await once(idle, 'connect');
    const goneAway = Promise.all([busy, stuck, idle].map((session) => once(session, 'goaway')));
    let received = '';
    busy
      .request({ ':path': '/slow' })
      .setEncoding('utf8')
      .on('data', (text: string) => (received += text));
    const never = stuck.request({ ':path': '/never' });
    const cut = new Promise<void>((resolve) => never.on('error', () => {}).on('close', () => resolve()));
    await Promise.all([child.line('/slow'), child.line('/never')]);
    child.process.kill('SIGTERM');
    await goneAway;
    await cut;
    const ending = await child.ended;
    expect(received).toBe('slow');
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 1 } });
  });
});
