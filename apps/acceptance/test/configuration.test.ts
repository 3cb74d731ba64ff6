import { describe, expect, it } from 'vitest';
import { AppProcess, type AppOptions, type Exit } from '../src/app-process.ts';
import { mainFile, servers } from '../src/servers.ts';

async function run(main: string, options: AppOptions): Promise<Exit & { stdout: string; stderr: string }> {
  await using app = new AppProcess(main, options);
  const exit = await app.exited;
  return { ...exit, stdout: app.stdout, stderr: app.stderr };
}

const bad = [
  ['PORT', 'abc'],
  ['PORT', '70000'],
  ['PORT', '-1'],
  ['RELAY_QUEUE', 'ftp://queue'],
  ['RELAY_QUEUE', 'nonsense'],
  ['RELAY_QUEUE_CAPACITY', '0'],
  ['RELAY_ADMISSION_WAIT_MS', '-5'],
  ['RELAY_CONCURRENCY', '1.5'],
  ['RELAY_MAX_ATTEMPTS', 'many'],
  ['RELAY_RETRY_BASE_MS', 'NaN'],
  ['RELAY_ATTEMPT_TIMEOUT_MS', '0'],
  ['RELAY_MAX_BODY_BYTES', ''],
  ['RELAY_DIGEST_WORKERS', 'all'],
  ['RELAY_SHUTDOWN_BUDGET_MS', '1e99'],
  ['RELAY_LAME_DUCK_MS', 'soon'],
  ['RELAY_ALLOW_ORIGINS', 'not an origin'],
] as const;

describe.each(servers)('configuration of $name', (server) => {
  it('prints one line that names variable and value for each bad value, and exits 2 before it listens', async () => {
    const results = [];
    for (const [name, value] of bad) {
      results.push({
        name,
        value,
        ...(await run(server.main, { env: { ...server.env, PORT: '0', [name]: value } })),
      });
    }
    for (const { name, value, code, stdout, stderr } of results) {
      expect({ name, value, code }).toEqual({ name, value, code: 2 });
      expect(stdout).not.toContain('listening');
      const lines = stderr.trimEnd().split('\n');
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain(name);
      expect(lines[0]).toContain(value);
    }
  });

  it('lists its environment with --help and exits 0', async () => {
    const { code, stdout, stderr } = await run(server.main, { args: ['--help'], env: server.env });
    expect([code, stderr]).toEqual([0, '']);
    for (const name of ['PORT', 'HOST', 'RELAY_QUEUE', 'RELAY_DATA', ...bad.map(([name]) => name)]) {
      expect(stdout).toContain(name);
    }
  });
});

describe('configuration of NestJS', () => {
  it('refuses a platform it does not have', async () => {
    const { code, stderr } = await run(mainFile('relay-nestjs'), {
      env: { PORT: '0', RELAY_PLATFORM: 'koa' },
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/RELAY_PLATFORM.*koa/);
  });
});
