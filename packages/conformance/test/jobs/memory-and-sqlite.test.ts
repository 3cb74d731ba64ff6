/** The same random program on both engines: what starts, in which order, at which attempt, and what is left must be the same. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gate, eventually } from '@holdfast/conformance';
import { JobQueue, noRetry, subscribe, type JobPriority } from '@holdfast/core';
import { sqlite } from '@holdfast/jobs-sqlite';
import * as fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';

const CONCURRENCY = 3;
const MAX_DEPTH = 6;
const folder = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'));
let files = 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Verdict = 'ok' | 'again' | 'bury';

const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('enqueue' as const),
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
      priority: fc.constantFrom<JobPriority>('high', 'normal', 'normal', 'low'),
      maxRetries: fc.constantFrom(0, 1, 2),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(CONCURRENCY - 1),
      verdict: fc.constantFrom<Verdict>('ok', 'again', 'bury'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('requeue' as const, 'remove' as const),
      id: fc.constantFrom('a', 'b', 'c'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const, 'list' as const) }),
  },
);

type Command = typeof command extends fc.Arbitrary<infer C> ? C : never;

/** One engine at work, and the story of what it did. */
class Story {
  /** What was answered, and what was started; a job may start before the call that brought it has its answer. */
  readonly told: { readonly answers: unknown[]; readonly starts: unknown[] } = { answers: [], starts: [] };
  readonly #queue: JobQueue<string>;
  readonly #running: Gate<Verdict>[] = [];
  #paused = false;

  constructor(url: string) {
    this.#queue = new JobQueue<string>({
      name: 'jobs',
      url,
      engines: [sqlite],
      maxDepth: MAX_DEPTH,
      retry: { baseDelayMs: 0 },
    });
    this.#queue.consume(
      async (payload, { id, attempt, redelivered, maxRetries }) => {
        const verdict = new Gate<Verdict>();
        this.#running.push(verdict);
        this.told.starts.push([id, payload, attempt, redelivered, maxRetries]);
        const given = await verdict.opened;
        if (given === 'again') throw new Error('again');
        if (given === 'bury') throw noRetry(new Error('bury'));
      },
      { concurrency: CONCURRENCY },
    );
  }

  async act(one: Command): Promise<void> {
    switch (one.do) {
      case 'enqueue': {
        const { id, priority, maxRetries } = one;
        const answer = await this.#queue
          .enqueue(`${id}!`, { id, priority, maxRetries, maxWaitMs: 0 })
          .then(({ status }) => status)
          .catch((error: unknown) => Reflect.get(Object(error), 'code') as unknown);
        this.told.answers.push([answer, id]);
        break;
      }
      case 'settle': {
        const [verdict] = this.#running.splice(one.which, 1);
        verdict?.open(one.verdict);
        break;
      }
      case 'requeue':
        this.told.answers.push(await this.#queue.deadLetters.requeue(one.id).catch(() => 'no room'));
        break;
      case 'remove':
        this.told.answers.push(await this.#queue.deadLetters.remove(one.id));
        break;
      case 'list': {
        const letters = await this.#queue.deadLetters.list();
        this.told.answers.push(
          letters.map(({ id, payload, attempts, error }) => [id, payload, attempts, error]),
        );
        break;
      }
      case 'pause':
        this.#paused = true;
        await this.#queue.pause();
        break;
      case 'resume':
        this.#paused = false;
        await this.#queue.resume();
        break;
    }
    await this.#quiet();
  }

  /** Everything that can have started has, and everything that was decided is told. */
  async #quiet(): Promise<void> {
    await eventually(async () => {
      const { waiting, active, paused } = await this.#queue.stats();
      const idle = this.#paused || waiting === 0 || active === CONCURRENCY;
      return idle && paused === this.#paused && active === this.#running.length;
    }).toBe(true);
  }

  async end(): Promise<unknown> {
    const { waiting, active, delayed, dead, depth } = await this.#queue.stats();
    this.#queue.cancel();
    for (const verdict of this.#running) verdict.open('ok');
    await this.#queue[Symbol.asyncDispose]();
    return { waiting, active, delayed, dead, depth };
  }
}

it('SQLite does what memory does, whatever comes', { timeout: 120_000 }, async () => {
  using _listening = subscribe(() => {});
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 30 }), async (commands) => {
      const stories = [new Story('memory:'), new Story(`sqlite:${join(folder, `${(files += 1)}.db`)}`)];
      for (const one of commands) for (const story of stories) await story.act(one);
      const [memory, file] = stories.map(({ told }) => told);
      expect(file).toEqual(memory);
      const [memoryEnd, fileEnd] = await Promise.all(stories.map((story) => story.end()));
      expect(fileEnd).toEqual(memoryEnd);
    }),
    { numRuns: 25 },
  );
});
