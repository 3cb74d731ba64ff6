/** The servers that other tests rely on: they answer, crash, come back with their data, and end with whoever started them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { natsServer, onServer, postgresServer, redisServer } from '@holdfast/conformance';
import { describe, expect, it } from 'vitest';
import { startWatchdog } from '../../src/engines/watchdog.ts';

/** Whether something listens behind `url`. */
async function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

for (const kind of [redisServer, postgresServer, natsServer])
  onServer(kind, (server) => {
    it('answers; one of the tests’ own is killed, and comes back on its port', async () => {
      const { url, control } = server;
      expect(await answers(url)).toBe(true);
      if (control === undefined) return;
      for (let n = 0; n < 2; n += 1) {
        await control.kill();
        expect(await answers(url)).toBe(false);
        await control.start();
        expect(await answers(url)).toBe(true);
      }
    });
  });

describe('startWatchdog', () => {
  it('kills what it watches, and removes its folder, when nobody holds the other end any more', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-watched-'));
    writeFileSync(join(folder, 'data'), 'x');
    const watchdog = startWatchdog(folder);
    const [before, after] = [spawn('sleep', ['60']), spawn('sleep', ['60'])];
    watchdog.watch(before.pid);
    watchdog.watch(undefined);
    watchdog.watch(after.pid);
    const [ended] = await Promise.all([once(after, 'close'), watchdog[Symbol.asyncDispose]()]);
    expect(ended).toEqual([null, 'SIGKILL']);
    expect(before.exitCode ?? before.signalCode).toBeNull();
    expect(existsSync(folder)).toBe(false);
    before.kill();
  });
});
