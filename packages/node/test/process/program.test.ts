import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Service, type ShutdownReport } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { runMain } from '../../src/index.ts';
import { Child, reportOf, type Ending } from '../child.ts';

async function run(program: string, line?: string, ...signals: NodeJS.Signals[]): Promise<Ending> {
  const child = new Child('program.mjs', [program], { BUDGET_MS: '5000' });
  if (line !== undefined) await child.line(line);
  for (const signal of signals) child.process.kill(signal);
  return child.ended;
}

/** The report a program printed. */
async function reported(
  program: string,
  line?: string,
  ...signals: NodeJS.Signals[]
): Promise<{ ending: Ending; report: ShutdownReport }> {
  const ending = await run(program, line, ...signals);
  return { ending, report: reportOf(ending) };
}

describe('runMain', () => {
  it('runs until a signal, tells its work to stop, and the line after it runs', async () => {
    const { ending, report } = await reported('loop', 'running', 'SIGTERM');
    expect(report).toMatchObject({ cause: 'SIGTERM', outcome: 'clean', leaked: [] });
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(ending.lines.filter((line) => !line.startsWith('report'))).toEqual([
      'running',
      'database closed',
      'after clean',
    ]);
  });

  it('without work keeps the process alive until a signal', async () => {
    const { ending } = await reported('until a signal', 'running', 'SIGINT');
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(ending.lines.at(-1)).toBe('after');
  });

  it('shuts down when its work is done', async () => {
    const { ending, report } = await reported('done');
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(report).toMatchObject({ cause: 'main', outcome: 'clean' });
  });

  it('prints the error of its work, reports it, and ends with 1', async () => {
    const { ending, report } = await reported('fails');
    expect(ending.code).toBe(1);
    expect(ending.errors).toContain('Error: main failed');
    expect(report).toMatchObject({
      cause: 'main',
      outcome: 'failed',
      hooks: [
        { name: 'main', outcome: 'failed' },
        { name: 'database', outcome: 'ok' },
      ],
    });
  });

  it('reports the error of work that fails while it stops', async () => {
    const { ending, report } = await reported('fails while it stops', 'running', 'SIGTERM');
    expect(ending.code).toBe(1);
    expect(ending.errors).toContain('Error: could not stop');
    expect(report).toMatchObject({ cause: 'SIGTERM', outcome: 'failed' });
  });

  it('names work that does not stop as leaked, and ends with 1', async () => {
    const { ending, report } = await reported('deaf', 'running', 'SIGTERM');
    expect(ending).toMatchObject({ code: 1, errors: '' });
    expect(report).toMatchObject({ outcome: 'leaked', leaked: ['main'] });
  });
});

it('runMain rejects bad options before anything starts', async () => {
  const service = new Service({ name: 'test' });
  await expect(runMain(service, 'main' as never)).rejects.toThrow(TypeError);
  await expect(runMain(service, undefined, { exit: 'never' as never })).rejects.toThrow(RangeError);
  expect(service.state).toBe('created');
});

describe('a signal during the start', () => {
  it('waits for what is being opened, closes it, and opens nothing more', async () => {
    const { ending, report } = await reported('slow start', 'opening', 'SIGTERM');
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(ending.lines.filter((line) => !line.startsWith('report'))).toEqual([
      'opening',
      'opened',
      'disposed',
      'database closed',
    ]);
    expect(report).toMatchObject({ cause: 'SIGTERM', outcome: 'clean' });
  });

  it('does not wait for ever', async () => {
    const { ending, report } = await reported('start hangs', 'opening', 'SIGTERM');
    expect(ending).toMatchObject({ code: 1, errors: '' });
    expect(report).toMatchObject({ outcome: 'leaked', leaked: ['hanging'] });
  });
});

describe('nothing that hangs or fails looks like success', () => {
  it('a start that never ends, with nothing else alive', async () => {
    const { ending, report } = await reported('start hangs');
    expect(ending.code).toBe(1);
    expect(report).toMatchObject({ cause: 'beforeExit', leaked: ['hanging'] });
  });

  it('a start that fails', async () => {
    const { ending, report } = await reported('start fails');
    expect(ending.code).toBe(1);
    expect(ending.errors).toContain('Error: cannot open');
    expect(report).toMatchObject({
      outcome: 'failed',
      hooks: [
        { name: 'failing', outcome: 'failed' },
        { name: 'database', outcome: 'ok' },
      ],
    });
  });

  it('a hook that never settles, with nothing else alive', async () => {
    const { ending, report } = await reported('hook hangs');
    expect(ending.code).toBe(1);
    expect(report).toMatchObject({
      outcome: 'failed',
      hooks: [
        { name: 'database', outcome: 'ok' },
        { name: 'hanging', outcome: 'timed-out' },
      ],
    });
  });

  it('a drain that never settles, with nothing else alive', async () => {
    const { ending, report } = await reported('drain hangs');
    expect(ending.code).toBe(1);
    expect(report).toMatchObject({ outcome: 'leaked', leaked: ['hanging'] });
  });

  it('a thread inside a native call: the process ends within its budget all the same', async () => {
    const { ending, report } = await reported('thread in a native call', 'running', 'SIGTERM');
    expect(report).toMatchObject({ outcome: 'leaked', leaked: ['pool.nativeBlock'] });
    expect(ending).toMatchObject({ code: null, signal: 'SIGKILL' });
  });

  it('a thread inside a native call whose pool nobody owns: it keeps the process no longer either', async () => {
    const { ending, report } = await reported(
      'thread that nobody owns in a native call',
      'running',
      'SIGTERM',
    );
    expect(report).toMatchObject({ outcome: 'clean' });
    expect(ending).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(ending.lines).not.toContain('ThreadCrashedError'); // whoever called it is told nothing more
  });
});

describe('handleSignals', () => {
  it('runs the hooks where the process ends because there is nothing to do', async () => {
    const { ending, report } = await reported('ends by itself');
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(report).toMatchObject({
      cause: 'beforeExit',
      outcome: 'clean',
      hooks: [{ name: 'database', outcome: 'ok' }],
    });
  });

  it('turns an unhandled rejection into a shutdown that failed, where it is asked to', async () => {
    const { ending, report } = await reported('uncaught');
    expect(ending.code).toBe(1);
    expect(ending.errors).toContain('Error: nobody caught me');
    expect(report).toMatchObject({ cause: 'unhandledRejection', outcome: 'failed' });
    expect(ending.lines).toContain('database closed');
  });

  it('leaves an unhandled rejection to Node otherwise', async () => {
    const ending = await run('uncaught, left to Node');
    expect(ending.code).toBe(1);
    expect(ending.lines).toEqual([]);
    expect(ending.errors).toContain('Error: nobody caught me');
  });

  it('ends by the signal itself under exit "reraise"', async () => {
    const child = new Child('program.mjs', ['reraise']);
    await child.line('running');
    child.process.kill('SIGTERM');
    expect(await child.ended).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('takes the same signal twice for one', async () => {
    const { ending, report } = await reported('deaf', 'running', 'SIGINT', 'SIGINT', 'SIGINT');
    expect(ending.code).toBe(1);
    expect(report).toMatchObject({ outcome: 'leaked' });
  });

  it('ends with 130 on the third SIGINT', async () => {
    const child = new Child('program.mjs', ['deaf'], { BUDGET_MS: '20000' });
    for (const line of ['running', 'told to stop', 'cancelled']) {
      await child.line(line);
      await delay(600); // later than a signal that came twice
      child.process.kill('SIGINT');
    }
    const ending = await child.ended;
    expect(ending).toMatchObject({ code: 130 });
    expect(reportOf(ending)).toMatchObject({ outcome: 'forced' });
  });

  it('hears a parent process that sends "shutdown"', async () => {
    const child = fork(fileURLToPath(new URL('../fixtures/program.mjs', import.meta.url)), ['loop'], {
      stdio: 'pipe',
      execArgv: [],
    });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    while (!output.includes('running')) await once(child.stdout ?? child, 'data');
    child.send('shutdown');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(output).toContain('"cause":"message"');
  });
});
