/** The command on the engines that have a server: whatever it does on a file it does there, or says that the engine cannot. */
import { natsServer, onServer, postgresServer, redisServer, type ServerKind } from '@holdfast/conformance';
import { JobQueue, noRetry, subscribe } from '@holdfast/core';
import { expect, it } from 'vitest';
import { loadEngines } from '../../src/index.ts';
import { holdfastJobs, type Ended } from './command.ts';

// with a subscriber nothing is said on the console
subscribe(() => {});

function commandsOn(kind: ServerKind): void {
  onServer(kind, (server) => {
    const command = (...args: string[]): Promise<Ended> => holdfastJobs(args, { url: server.url });

    /** Runs the dead jobs of a queue that does not exist yet. */
    async function withDead(name: string, ids: readonly string[]): Promise<void> {
      const engines = await loadEngines(server.url);
      await using queue = new JobQueue<unknown>({ name, url: server.url, engines, retry: { maxRetries: 0 } });
      for (const id of ids) await queue.enqueue({ to: id }, { id });
      const loop = queue.consume(() => {
        throw noRetry(new Error('550 no such user'));
      });
      await expect.poll(async () => (await queue.deadLetters.list()).length).toBe(ids.length);
      await loop.stop();
    }

    it('shows what is there, and names what is not', async () => {
      const name = `shown-${Date.now()}`;
      expect(await command('enqueue', name, '{"to":"ada"}', '--id', 'welcome')).toEqual({
        code: 0,
        out: expect.stringMatching(/^(enqueued|accepted) welcome on shown-/),
        err: '',
      });
      const stats = await command('stats', name, '--json');
      expect(stats).toMatchObject({ code: 0, err: '' });
      expect(JSON.parse(stats.out)).toMatchObject({ queue: name, depth: 1 });
      const queues = await command('queues');
      expect(queues).toMatchObject({ code: 0, err: '' });
      expect(queues.out).toContain(name);
      const missing = await command('stats', `${name}x`);
      expect(missing).toEqual({
        code: 1,
        out: '',
        err: `holdfast-jobs: there is no queue "${name}x"; did you mean "${name}"?\n`,
      });
    });

    it('lists, shows, requeues and removes dead jobs', async () => {
      const name = `dead-${Date.now()}`;
      await withDead(name, ['ada', 'bob', 'eve']);
      expect((await command('dead', 'list', name)).out).toMatch(
        /^ID[^\n]*\nada [^\n]*550 no such user\nbob [^]*\neve /,
      );
      expect((await command('dead', 'show', name, 'bob')).out).toContain('"to": "bob"');
      expect(await command('dead', 'requeue', name, 'ada', 'nobody', '--json')).toMatchObject({
        code: 1,
        err: '',
      });
      expect(JSON.parse((await command('stats', name, '--json')).out)).toMatchObject({ depth: 1, dead: 2 });
      expect(await command('dead', 'remove', name, '--all', '--yes')).toMatchObject({
        code: 0,
        out: `removed 2 jobs of ${name}\n`,
      });
      expect((await command('dead', 'list', name)).out).toBe('no dead jobs\n');
    });

    it('pauses and resumes, or says that the engine cannot', async () => {
      const name = `paused-${Date.now()}`;
      const engines = await loadEngines(server.url);
      await using queue = new JobQueue<string>({ name, url: server.url, engines });
      await queue.enqueue('first');
      const paused = await command('pause', name);
      if (queue.capabilities.pause === 'consumer') {
        expect(paused.code).toBe(1);
        expect(paused.err).toContain('cannot pause a queue');
        return;
      }
      expect(paused).toEqual({ code: 0, out: `paused ${name}\n`, err: '' });
      const seen: string[] = [];
      queue.consume((payload) => void seen.push(payload));
      expect(JSON.parse((await command('stats', name, '--json')).out)).toMatchObject({ paused: true });
      expect(seen).toEqual([]);
      expect(await command('resume', name)).toMatchObject({ code: 0 });
      await expect.poll(() => seen).toEqual(['first']);
    });

    it.skipIf(server.foreign !== undefined)('says in one line that the server is not there', async () => {
      await server.control?.kill();
      const { code, out, err } = await command('queues');
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err.trimEnd()).toMatch(/^holdfast-jobs: [^\n]+$/);
    });
  });
}

commandsOn(redisServer);
commandsOn(postgresServer);
commandsOn(natsServer);
