/** The one test that every wiring passes: start the built program, use it over HTTP, end it by a signal. Not a test file itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Program } from './program.ts';
import { subscribe } from './subscriber.ts';

/** Registers the test for the program at `main`. */
export function smokeTest(name: string, main: URL, env: Readonly<Record<string, string>> = {}): void {
  describe(`the relay on ${name}, as a program`, () => {
    let data: string;

    beforeEach(() => {
      data = mkdtempSync(join(tmpdir(), 'relay-smoke-'));
    });

    afterEach(() => {
      rmSync(data, { recursive: true, force: true });
    });

    it(
      'starts, delivers, refuses with problems, and ends clean on SIGTERM',
      { timeout: 30_000 },
      async () => {
        await using subscriber = await subscribe();
        await using relay = new Program(main, data, env);
        const event = { id: 'smoke', url: subscriber.url, payload: { n: 1 } };
        expect(await relay.ask('/events?wait=delivered', event)).toMatchObject({
          status: 200,
          body: { id: 'smoke', status: 'delivered' },
        });
        expect(subscriber.ids).toEqual(['smoke']);
        const answers = await Promise.all(
          ['/events/smoke', '/readyz', '/nowhere', '/digests', '/events/%E0%A4%A'].map(async (path) => {
            const { status, type } = await relay.ask(path);
            return [status, type];
          }),
        );
        expect(answers).toEqual([
          [200, 'application/json'],
          [200, 'application/json'],
          [404, 'application/problem+json'],
          [405, 'application/problem+json'],
          [400, 'application/problem+json'],
        ]);
        expect(await relay.stop('SIGTERM'), relay.stdout + relay.stderr).toEqual([0, null]);
        expect(relay.stdout).toMatch(/shutdown report \{.*"outcome":"clean".*\}\n$/);
        expect(relay.stderr).toBe('');
      },
    );
  });
}
