/**
 * The end of a Nest application as a process of its own: real signals, real sockets, whoever closes it. Requests are finished
 * before Nest destroys what they need, nothing runs twice, and the process ends.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ShutdownReport } from '@holdfast/nestjs';
import { describe, expect, it } from 'vitest';

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly string[];
  readonly errors: string;
  readonly report: ShutdownReport | undefined;
  /** What the first failed hook said. */
  readonly hookError: string | undefined;
  /** What came on the connection of the slow request. */
  readonly answer: string;
}

/** Runs the application and sends SIGTERM at `line`: by default with a slow request, an idle and a silent connection open. */
async function run(platform: string, mode: string, at = 'asked'): Promise<Ended> {
  const file = fileURLToPath(new URL('../fixtures/app.mjs', import.meta.url));
  const child = spawn(process.execPath, [file, platform, mode], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  let errors = '';
  let answer = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    if (line.startsWith('listening')) {
      const port = Number(line.split(' ')[1]);
      const [silent, idle, slow] = Array.from({ length: 3 }, () => connect(port, '127.0.0.1'));
      for (const socket of [silent, idle, slow]) socket?.on('error', () => {});
      idle?.write('GET /hello HTTP/1.1\r\nHost: test\r\n\r\n');
      if (idle !== undefined) await once(idle, 'data');
      slow?.setEncoding('utf8').on('data', (text: string) => (answer += text));
      slow?.write('GET /slow HTTP/1.1\r\nHost: test\r\n\r\n');
    }
    if (line === at) child.kill('SIGTERM');
  }
  const [code, signal] = (await exited) as [number | null, NodeJS.Signals | null];
  const report = lines.find((line) => line.startsWith('report '))?.slice('report '.length);
  return {
    code,
    signal,
    lines: lines.filter((line) => !/^(?:started|report|listening|error)/.test(line)),
    errors,
    report: report === undefined ? undefined : (JSON.parse(report) as ShutdownReport),
    hookError: lines.find((line) => line.startsWith('error '))?.slice('error '.length),
    answer,
  };
}

const inOrder = ['asked', 'answered', 'onModuleDestroy', 'onApplicationShutdown'];

describe.each(['express', 'fastify'])('Nest on %s', (platform) => {
  it('closed by listen(): SIGTERM drains, then Nest closes, exit code 0', async () => {
    const ended = await run(platform, 'listen');
    expect(ended).toMatchObject({ code: 0, errors: '', lines: inOrder });
    expect(ended.answer).toMatch(/^HTTP\/1\.1 200 OK.*connection: close.*slow$/is);
    expect(ended.report).toMatchObject({
      cause: 'SIGTERM',
      outcome: 'clean',
      requests: { drained: 1, cancelled: 0 },
      hooks: [{ name: 'nestjs', outcome: 'ok' }],
    });
  });

  it('closed by app.close() alone: the same order, and the process ends by itself', async () => {
    const ended = await run(platform, 'app.close() once');
    expect(ended).toMatchObject({ code: 0, errors: '', lines: inOrder });
    expect(ended.answer).toMatch(/^HTTP\/1\.1 200 OK.*slow$/s);
    expect(ended.report).toMatchObject({ cause: 'app.close()', outcome: 'clean', requests: { drained: 1 } });
  });

  it('closed by app.close() twice at once, and once more: the requests are finished once, the report is one', async () => {
    const ended = await run(platform, 'app.close() twice');
    expect(ended).toMatchObject({ code: 0, errors: '' });
    expect(ended.lines.slice(0, inOrder.length)).toEqual(inOrder);
    expect(ended.lines.at(-1)).toBe('closed stopped');
    expect(ended.answer).toMatch(/^HTTP\/1\.1 200 OK.*slow$/s);
    expect(ended.report).toMatchObject({ cause: 'app.close()', outcome: 'clean' });
  });

  it("closed by Nest's own enableShutdownHooks(): the same order, and the process ends by the signal", async () => {
    const ended = await run(platform, 'enableShutdownHooks');
    expect(ended).toMatchObject({ code: null, signal: 'SIGTERM', errors: '', lines: inOrder });
    expect(ended.report).toMatchObject({ outcome: 'clean', requests: { drained: 1 } });
  });

  it('with a hook of Nest that never settles ends inside its budget, and the code is 1', async () => {
    const ended = await run(platform, 'a hook of Nest hangs');
    expect(ended.code).toBe(1);
    expect(ended.report).toMatchObject({
      outcome: 'failed',
      hooks: [{ name: 'nestjs', outcome: 'timed-out' }],
    });
    expect(ended.report?.durationMs).toBeLessThan(5_000);
  });

  it.each(['a hook of Nest throws', 'a hook of Nest throws undefined'])(
    'where %s, which Nest only logs, the report names it, and the code is 1',
    async (mode) => {
      const ended = await run(platform, mode);
      expect(ended).toMatchObject({ code: 1, lines: inOrder });
      expect(ended.report).toMatchObject({
        outcome: 'failed',
        hooks: [{ name: 'nestjs', outcome: 'failed' }],
      });
      expect(ended.hookError).toBe("Nest's hooks failed: Hooks.onApplicationShutdown");
    },
  );

  it('told to end during its start does not destroy beside what is being opened', async () => {
    const ended = await run(platform, 'signal during the start', 'opening');
    expect(ended).toMatchObject({
      code: 0,
      errors: '',
      lines: ['opening', 'opened', 'onModuleDestroy', 'onApplicationShutdown'],
    });
  });
});
