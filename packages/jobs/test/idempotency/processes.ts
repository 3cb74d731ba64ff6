/** Several processes with a store in common, some of them killed. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { IdempotencyGuard, type IdempotencyStore } from '../../src/index.ts';

/** A store that other processes can reach. */
export interface SharedStore {
  readonly store: IdempotencyStore;
  /** What a process is told of it. */
  readonly database: { readonly file: string } | { readonly postgres: string };
}

function start(settings: object): {
  readonly lines: string[];
  readonly ended: Promise<void>;
  readonly kill: () => void;
} {
  const file = fileURLToPath(new URL('worker.mjs', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return { lines, ended, kill: () => void child.kill('SIGKILL') };
}

/** Declares the tests. */
export function sharedByProcesses(fresh: () => Promise<SharedStore>): void {
  it('is run again, as a second attempt, when the process that ran it was killed and its lease has ended', async () => {
    const { store, database } = await fresh();
    const guard = new IdempotencyGuard({ store, maxWaitMs: 20_000 });
    const worker = start({ ...database, keys: ['hang'], leaseMs: 600 });
    await expect.poll(() => worker.lines).toEqual(['began hang 1']);
    // while it lives it renews its lease
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await expect(guard.execute('hang', () => 1, { maxWaitMs: 0 })).rejects.toMatchObject({
      code: 'KEY_IN_USE',
    });
    worker.kill();
    await worker.ended;
    expect(await guard.execute('hang', ({ attempt }) => attempt)).toBe(2);
    expect(await guard.execute('hang', () => 'not run')).toBe(2);
  });

  it('is run by one of several processes', async () => {
    const { database } = await fresh();
    const keys = Array.from({ length: 25 }, (_, index) => `key-${index}`);
    const workers = [1, 2, 3].map(() => start({ ...database, keys, leaseMs: 20_000 }));
    await Promise.all(workers.map(({ ended }) => ended));
    const lines = workers.flatMap((worker) => worker.lines);
    expect(lines.filter((line) => line === 'done')).toHaveLength(3);
    expect(lines.filter((line) => line.startsWith('began')).toSorted()).toEqual(
      keys.map((key) => `began ${key} 1`).toSorted(),
    );
  });
}
