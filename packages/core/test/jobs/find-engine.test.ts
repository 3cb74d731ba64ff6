import { describe, expect, it } from 'vitest';
import type { JobEngine } from '../../src/jobs/engine.ts';
import { connectEngine } from '../../src/jobs/find-engine.ts';
import { memory } from '../../src/jobs/memory-engine.ts';

describe('connectEngine', () => {
  it('has memory: built in', () => {
    expect(connectEngine('memory:').capabilities.durability).toBe('none');
  });

  it.each([
    ['sqlite:./data/jobs.db', 'add sqlite from @holdfast/jobs-sqlite to engines'],
    ['redis://localhost', 'add bullmq from @holdfast/jobs-bullmq to engines'],
    ['rediss://localhost', 'add bullmq from @holdfast/jobs-bullmq to engines'],
    ['postgres://localhost/x', 'add bullmq from @holdfast/jobs-bullmq to engines'],
    ['nats://localhost', 'add nats from @holdfast/jobs-nats to engines'],
    ['amqp://localhost', 'of a scheme that an engine serves (memory:), got "amqp:"'],
  ])('says for %s what to add', (url, remedy) => {
    expect(() => connectEngine(url)).toThrow(remedy);
    expect(() => connectEngine(url)).toThrow(RangeError);
  });

  it('never shows the URL, which may hold a password', () => {
    for (const url of ['redis://user:hunter2@host', 'hunter2'])
      expect(() => connectEngine(url)).toThrow(expect.not.stringContaining('hunter2'));
  });

  it('asks the engines that were given first', () => {
    const asked: URL[] = [];
    const engine: JobEngine = {
      schemes: ['x:', 'memory:'],
      connect(url) {
        asked.push(url);
        return memory.connect(url);
      },
    };
    connectEngine('x:./here', [engine]);
    connectEngine('memory:', [engine]);
    expect(asked.map(String)).toEqual(['x:./here', 'memory:']);
  });

  it.each([
    ['a URL that is no string', 1, [], TypeError],
    ['a URL that is none', 'jobs.db', [], RangeError],
    ['engines that are no array', 'memory:', memory, TypeError],
    ['an engine that is none', 'memory:', [null], TypeError],
    ['an engine without connect', 'memory:', [{ schemes: ['x:'] }], TypeError],
    ['an engine without schemes', 'memory:', [{ connect() {} }], TypeError],
    ['a scheme that is no string', 'memory:', [{ schemes: [1], connect() {} }], TypeError],
    ['a scheme without its colon', 'memory:', [{ schemes: ['x'], connect() {} }], RangeError],
  ])('refuses %s', (_name, url, engines, kind) => {
    expect(() => connectEngine(url, engines)).toThrow(kind);
  });
});
