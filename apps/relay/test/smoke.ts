/// <reference lib="esnext.disposable" />
/** The one test that every wiring passes: start the built program, use it over HTTP, end it by a signal. Not a test file itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const strict = ['--unhandled-rejections=strict', '--trace-warnings'];

/** Registers the test for the program at `main`. */
export function smokeTest(name: string, main: URL, env: Readonly<Record<string, string>> = {}): void {
  describe(`the relay on ${name}, as a program`, () => {
    let data: string;
    let posted: string[];
    const subscriber = createServer((request, response) => {
      posted.push(String(request.headers['idempotency-key']));
      request.resume().once('end', () => response.writeHead(204).end());
    });

    beforeEach(async () => {
      data = mkdtempSync(join(tmpdir(), 'relay-smoke-'));
      posted = [];
      subscriber.listen(0, '127.0.0.1');
      await once(subscriber, 'listening');
    });

    afterEach(async () => {
      subscriber.closeAllConnections();
      subscriber.close();
      await once(subscriber, 'close');
      rmSync(data, { recursive: true, force: true });
    });

    it(
      'starts, delivers, refuses with problems, and ends clean on SIGTERM',
      { timeout: 30_000 },
      async () => {
        expect(existsSync(main), `${fileURLToPath(main)} must be built`).toBe(true);
        const program = spawn(process.execPath, [...strict, fileURLToPath(main)], {
          env: { PATH: process.env['PATH'], ...env, PORT: '0', RELAY_DATA: data },
          cwd: data,
        });
        let stdout = '';
        let stderr = '';
        program.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
        const listening = new Promise<string>((resolve, reject) => {
          program.once('close', () => reject(new Error(`ended early: ${stdout}${stderr}`)));
          program.stdout.on('data', (text: Buffer) => {
            stdout += text.toString();
            const [, url] = /listening on (\S+)\n/.exec(stdout) ?? [];
            if (url !== undefined) resolve(url);
          });
        });
        const ended = once(program, 'close');
        try {
          const relay = await listening;
          const { port } = subscriber.address() as AddressInfo;
          const accepted = await fetch(`${relay}/events?wait=delivered`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ id: 'smoke', url: `http://127.0.0.1:${port}/`, payload: { n: 1 } }),
          });
          expect([accepted.status, await accepted.json()]).toEqual([
            200,
            { id: 'smoke', status: 'delivered' },
          ]);
          expect(posted).toEqual(['smoke']);
          const statuses = await Promise.all(
            ['/events/smoke', '/readyz', '/nowhere', '/digests', '/events/%E0%A4%A'].map(async (path) => {
              const response = await fetch(relay + path);
              return [response.status, response.headers.get('content-type')?.split(';')[0]];
            }),
          );
          expect(statuses).toEqual([
            [200, 'application/json'],
            [200, 'application/json'],
            [404, 'application/problem+json'],
            [405, 'application/problem+json'],
            [400, 'application/problem+json'],
          ]);
          program.kill('SIGTERM');
          expect(await ended, stdout + stderr).toEqual([0, null]);
          expect(stdout).toMatch(/shutdown report \{.*"outcome":"clean".*\}\n$/);
          expect(stderr).toBe('');
        } finally {
          program.kill('SIGKILL');
          await ended;
        }
      },
    );
  });
}
