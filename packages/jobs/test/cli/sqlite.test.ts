/** The command on a real file, also while another process consumes from it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { JobQueue, noRetry, subscribe } from '@holdfast/core';
import { sqlite } from '@holdfast/jobs-sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryFiles } from '../folder.ts';
import { holdfastJobs } from './command.ts';

const newFile = temporaryFiles();
const open: AsyncDisposable[] = [];
// with a subscriber nothing is said on the console
subscribe(() => {});

function queueAt(url: string, name = 'mails'): JobQueue<unknown> {
  const queue = new JobQueue<unknown>({ name, url, engines: [sqlite], retry: { maxRetries: 0 } });
  open.push(queue);
  return queue;
}

/** A file with dead jobs of these ids. */
async function withDead(
  ids: readonly string[],
): Promise<{ readonly url: string; readonly queue: JobQueue<unknown> }> {
  const url = `sqlite:${newFile()}`;
  const queue = queueAt(url);
  await queue.enqueueMany(ids.map((id) => ({ id, payload: { to: id } })));
  const loop = queue.consume((payload) => {
    throw noRetry(new RangeError(`no such user: ${JSON.stringify(payload)}`));
  });
  await expect.poll(() => queue.stats()).toMatchObject({ dead: ids.length });
  await loop.stop();
  return { url, queue };
}

afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

describe('queues and stats', () => {
  it('lists the queues there are', async () => {
    const url = `sqlite:${newFile()}`;
    await queueAt(url, 'audits').enqueue(1);
    await queueAt(url, 'mails').enqueueMany([{ payload: 1 }, { payload: 2, delayMs: 60_000 }]);
    await queueAt(url, 'mails').pause();
    const { code, out } = await holdfastJobs(['queues', '--url', url]);
    expect(code).toBe(0);
    const [head, audits, mails, ...rest] = out.trimEnd().split('\n');
    expect(head).toBe('QUEUE   DEPTH  WAITING  ACTIVE  DELAYED  DEAD  OLDEST');
    expect(audits).toMatch(/^audits +1 +1 +0 +0 +0 +\d+ m?s/);
    expect(mails).toMatch(/^mails +2 +1 +0 +1 +0 +\d+ m?s +paused$/);
    expect(rest).toEqual([]);

    const listed: unknown = JSON.parse((await holdfastJobs(['list', '--json'], { url })).out);
    expect(listed).toEqual({
      queues: [
        {
          queue: 'audits',
          depth: 1,
          waiting: 1,
          active: 0,
          delayed: 0,
          dead: 0,
          paused: false,
          oldestAgeMs: expect.any(Number),
        },
        {
          queue: 'mails',
          depth: 2,
          waiting: 1,
          active: 0,
          delayed: 1,
          dead: 0,
          paused: true,
          oldestAgeMs: expect.any(Number),
        },
      ],
    });
  });

  it('gives the figures of one queue', async () => {
    const url = `sqlite:${newFile()}`;
    await queueAt(url).enqueueMany([{ payload: 1 }, { payload: 2, delayMs: 60_000 }]);
    const { code, out } = await holdfastJobs(['stats', 'mails'], { url });
    expect(code).toBe(0);
    expect(out).toMatch(
      /^mails\nwaiting +1\nactive +0\ndelayed +1\ndead +0\ndepth +2\noldest +\d+ m?s\npaused +no\n$/,
    );
    const { out: json } = await holdfastJobs(['stats', 'mails', '--json'], { url });
    expect(JSON.parse(json)).toMatchObject({
      queue: 'mails',
      waiting: 1,
      delayed: 1,
      depth: 2,
      paused: false,
    });
  });

  it('names the nearest queue, and makes none by looking', async () => {
    const url = `sqlite:${newFile()}`;
    await queueAt(url).enqueue(1);
    expect(await holdfastJobs(['stats', 'mial'], { url })).toEqual({
      code: 1,
      out: '',
      err: 'holdfast-jobs: there is no queue "mial"; did you mean "mails"?\n',
    });
    const { err } = await holdfastJobs(['pause', 'orders'], { url });
    expect(err).toBe('holdfast-jobs: there is no queue "orders"; there are mails\n');
    expect(JSON.parse((await holdfastJobs(['queues', '--json'], { url })).out)).toMatchObject({
      queues: [{ queue: 'mails' }],
    });
  });
});

describe('dead letters', () => {
  it('are listed, a page at a time', async () => {
    const { url } = await withDead(['ada', 'bob', 'eve']);
    const { code, out } = await holdfastJobs(['dead', 'list', 'mails', '--limit', '2'], { url });
    expect(code).toBe(0);
    const [head, ada, bob, more] = out.trimEnd().split('\n');
    expect(head).toBe('ID   ATTEMPTS  DIED                      ERROR');
    expect(ada).toMatch(/^ada +1 {2}\d{4}-\d\d-\d\dT[\d:.]+Z {2}NoRetryError: no such user: \{"to":"ada"\}$/);
    expect(bob).toMatch(/^bob/);
    const cursor = /^more: --cursor (\S+)$/.exec(more ?? '')?.[1] ?? '';
    const rest = await holdfastJobs(['dead', 'list', 'mails', '--cursor', cursor, '--json'], { url });
    expect(JSON.parse(rest.out)).toMatchObject({
      queue: 'mails',
      dead: [
        { id: 'eve', payload: { to: 'eve' }, attempts: 1, error: { message: 'no such user: {"to":"eve"}' } },
      ],
    });
    expect(JSON.parse(rest.out)).not.toHaveProperty('cursor');
  });

  it('are shown with their payload', async () => {
    const { url } = await withDead(['ada', 'bob']);
    const { code, out } = await holdfastJobs(['dead', 'show', 'mails', 'bob'], { url });
    expect(code).toBe(0);
    expect(out).toContain('id        bob\nattempts  1\n');
    expect(out).toContain('payload   {\n            "to": "bob"\n          }\n');
    expect(await holdfastJobs(['dead', 'show', 'mails', 'eve'], { url })).toEqual({
      code: 1,
      out: '',
      err: 'holdfast-jobs: there is no dead job "eve" on mails\n',
    });
  });

  it('are requeued by id, and what is not there is said with exit code 1', async () => {
    const { url, queue } = await withDead(['ada', 'bob', 'eve']);
    expect(await holdfastJobs(['dead', 'requeue', 'mails', 'ada', 'eve'], { url })).toEqual({
      code: 0,
      out: 'requeued 2 jobs of mails\n',
      err: '',
    });
    expect(await queue.stats()).toMatchObject({ waiting: 2, dead: 1 });
    const again = await holdfastJobs(['dead', 'requeue', 'mails', 'ada', 'bob', '--json'], { url });
    expect(again.code).toBe(1);
    expect(JSON.parse(again.out)).toEqual({ queue: 'mails', requeued: ['bob'], missing: ['ada'] });
  });

  it.each(['requeue', 'remove'])('are not all touched by %s --all before somebody said yes', async (verb) => {
    const { url, queue } = await withDead(['ada', 'bob']);
    expect(await holdfastJobs(['dead', verb, 'mails', '--all'], { url })).toEqual({
      code: 2,
      out: '',
      err: `holdfast-jobs: to ${verb} 2 dead jobs of mails, add --yes\n`,
    });
    expect((await holdfastJobs(['dead', verb, 'mails'], { url })).code).toBe(2);
    expect((await holdfastJobs(['dead', verb, 'mails', 'ada', '--all', '--yes'], { url })).code).toBe(2);
    expect(await queue.stats()).toMatchObject({ waiting: 0, dead: 2 });
    expect(await holdfastJobs(['dead', verb, 'mails', '--all', '--yes'], { url })).toEqual({
      code: 0,
      out: `${verb}d 2 jobs of mails\n`,
      err: '',
    });
    expect(await queue.stats()).toMatchObject({ waiting: verb === 'requeue' ? 2 : 0, dead: 0 });
    expect((await holdfastJobs(['dead', verb, 'mails', '--all'], { url })).out).toBe(
      `${verb}d 0 jobs of mails\n`,
    );
  });

  it('cannot steer the terminal', async () => {
    const { url } = await withDead(['\u001B[2Jgone', 'two\nlines', 'right\u202Eleft']);
    const { out } = await holdfastJobs(['dead', 'list', 'mails'], { url });
    expect(out).toContain(String.raw`\u{1b}[2Jgone`);
    expect(out).toContain('two⏎lines');
    expect(out).toContain(String.raw`right\u{202e}left`);
    const { out: json } = await holdfastJobs(['dead', 'list', 'mails', '--json'], { url });
    expect(json).not.toContain('\u001B');
  });
});

describe('enqueue', () => {
  it('hands in one job, and may make the file', async () => {
    const file = newFile();
    const url = `sqlite:${file}`;
    const args = [
      'enqueue',
      'mails',
      '{"to":"ada"}',
      '--id',
      'welcome',
      '--header',
      'trace=a=b',
      '--max-retries',
      '0',
    ];
    expect(await holdfastJobs(args, { url })).toEqual({
      code: 0,
      out: 'enqueued welcome on mails\n',
      err: '',
    });
    expect(existsSync(file)).toBe(true);
    expect(await holdfastJobs([...args, '--json'], { url })).toMatchObject({
      code: 0,
      out: expect.stringContaining('"status": "duplicate"'),
    });
    const seen: unknown[] = [];
    queueAt(url).consume(
      (payload, { id, headers, maxRetries }) => void seen.push({ payload, id, headers, maxRetries }),
    );
    await expect
      .poll(() => seen)
      .toEqual([{ payload: { to: 'ada' }, id: 'welcome', headers: { trace: 'a=b' }, maxRetries: 0 }]);
  });

  it('reads a payload from stdin', async () => {
    const url = `sqlite:${newFile()}`;
    const args = ['enqueue', 'mails', '-', '--delay-ms', '60000', '--priority', 'high'];
    expect((await holdfastJobs(args, { url, input: '[1, 2]\n' })).code).toBe(0);
    expect(await queueAt(url).stats()).toMatchObject({ delayed: 1 });
  });

  it.each([
    [['{to: ada}'], 'the payload must be JSON'],
    [['1', '--delay-ms', '1.5'], '--delay-ms must be a whole number'],
    [['1', '--delay-ms', 'soon'], '--delay-ms must be a whole number'],
    [['1', '--priority', 'urgent'], '--priority must be high, normal or low, got urgent'],
    [['1', '--header', 'trace'], '--header must be name=value, got trace'],
  ])('refuses %j', async (args, says) => {
    const { code, err } = await holdfastJobs(['enqueue', 'mails', ...args], { url: `sqlite:${newFile()}` });
    expect(code).toBe(2);
    expect(err).toContain(says);
  });
});

describe('beside a process that consumes', () => {
  it('pauses it, resumes it, and brings dead jobs back to it', async () => {
    const url = `sqlite:${newFile()}`;
    const worker = spawn(process.execPath, [fileURLToPath(new URL('worker.mjs', import.meta.url)), url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    createInterface(worker.stdout).on('line', (line) => lines.push(line));
    const ended = new Promise((resolve) => worker.once('close', resolve));
    try {
      await expect.poll(() => lines).toEqual(['consuming']);
      const command = (...args: string[]): Promise<unknown> => holdfastJobs(args, { url });
      await command('enqueue', 'mails', '"bad"', '--id', 'bad');
      await expect.poll(() => lines.at(-1)).toBe('started bad');
      await expect
        .poll(async () => (await holdfastJobs(['stats', 'mails'], { url })).out)
        .toMatch(/^dead +1$/m);

      expect(await command('pause', 'mails')).toEqual({ code: 0, out: 'paused mails\n', err: '' });
      await command('enqueue', 'mails', '"good"', '--id', 'good');
      expect(await command('dead', 'requeue', 'mails', '--all', '-y')).toMatchObject({ code: 0 });
      expect((await holdfastJobs(['stats', 'mails'], { url })).out).toMatch(/^waiting +2$/m);
      expect(lines).toEqual(['consuming', 'started bad']);

      expect(await command('resume', 'mails')).toEqual({ code: 0, out: 'resumed mails\n', err: '' });
      await expect.poll(() => lines).toEqual(['consuming', 'started bad', 'started good', 'started bad']);
    } finally {
      worker.kill('SIGKILL');
      await ended;
    }
  });
});
