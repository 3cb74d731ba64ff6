import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { JobQueue } from '@holdfast/core';
import { bullmq } from '@holdfast/jobs-bullmq';
import { nats } from '@holdfast/jobs-nats';
import { sqlite } from '@holdfast/jobs-sqlite';
import { describe, expect, it } from 'vitest';
import { loadEngines } from '../../src/index.ts';

const packages = fileURLToPath(new URL('../../../', import.meta.url));

describe('loadEngines', () => {
  it('gives the engine that a URL needs', async () => {
    expect(await loadEngines('sqlite:./jobs.db')).toEqual([sqlite]);
    for (const scheme of ['redis', 'rediss', 'postgres', 'postgresql'])
      expect(await loadEngines(`${scheme}://localhost`)).toEqual([bullmq]);
    for (const scheme of ['nats', 'tls']) expect(await loadEngines(`${scheme}://localhost`)).toEqual([nats]);
    expect(await loadEngines('memory:')).toEqual([]);
  });

  it('gives what a JobQueue takes', async () => {
    for (const url of ['memory:', 'sqlite:./jobs.db'])
      expect(new JobQueue({ name: 'q', url, engines: await loadEngines(url) }).name).toBe('q');
  });

  it.each(['kafka://ada:secret@broker', 'https://example.org'])('knows no package for %s', async (url) => {
    const error: unknown = await loadEngines(url).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(RangeError);
    expect(String(error)).toContain('sqlite:, redis:, rediss:, postgres:, postgresql:, nats:, tls:');
    expect(String(error)).not.toContain('secret');
  });

  it('refuses what is no URL', async () => {
    await expect(loadEngines('ada:secret@')).rejects.toThrow('of a scheme');
    await expect(loadEngines('./jobs.db')).rejects.toThrow('a URL such as sqlite:./data/jobs.db');
  });
});

describe('where a package is not installed', () => {
  it.each([
    ['sqlite:./jobs.db', '@holdfast/jobs-sqlite'],
    ['rediss://ada:secret@localhost', '@holdfast/jobs-bullmq'],
    ['postgres://ada:secret@localhost/db', '@holdfast/jobs-bullmq'],
    ['nats://ada:secret@localhost', '@holdfast/jobs-nats'],
  ])('the error about %s names it', async (url, name) => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-jobs-alone-'));
    try {
      for (const one of ['core', 'jobs']) {
        const home = join(folder, 'node_modules', '@holdfast', one);
        cpSync(join(packages, one, 'dist'), join(home, 'dist'), { recursive: true });
        cpSync(join(packages, one, 'package.json'), join(home, 'package.json'));
      }
      const bin = join(folder, 'node_modules', '@holdfast', 'jobs', 'dist', 'bin.js');
      const child = spawn(process.execPath, [bin, 'queues', '--url', url], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let err = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
      const code = await new Promise((resolve) => child.once('close', resolve));
      expect({ code, err }).toEqual({
        code: 1,
        err: `holdfast-jobs: A queue at ${new URL(url).protocol} needs the package ${name}: npm install ${name}\n`,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
