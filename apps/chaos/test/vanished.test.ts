/** A run that is killed itself leaves nothing behind: neither the relay that it would have started again nor its data. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

it('takes its relay along when it is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vanished-'));
  const run = spawn(process.execPath, [main, '--events', '5000', '--engine', 'sqlite'], {
    env: { ...process.env, TMPDIR: folder },
    stdio: 'ignore',
  });
  await expect
    .poll(() => readdirSync(folder).some((data) => existsSync(join(folder, data, 'jobs.db'))), {
      timeout: 20_000,
    })
    .toBe(true);
  const started = childrenOf(run.pid);
  run.kill('SIGKILL');
  await once(run, 'close');

  expect(started.length).toBeGreaterThan(0);
  await expect.poll(() => started.filter(isAlive), { timeout: 10_000 }).toEqual([]);
  await expect.poll(() => readdirSync(folder), { timeout: 10_000 }).toEqual([]);
  rmSync(folder, { recursive: true });
});

function childrenOf(parent: number | undefined): readonly number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/).map(Number))
    .flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
