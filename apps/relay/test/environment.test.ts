import { describe, expect, it } from 'vitest';
import { EnvironmentError, environmentHelp, readEnvironment } from '../src/environment.ts';

describe('readEnvironment', () => {
  it('has a default for everything', () => {
    expect(readEnvironment({})).toMatchObject({
      port: 3_000,
      host: '127.0.0.1',
      queueUrl: `sqlite://${process.cwd()}/data/jobs.db`,
      dataDirectory: './data',
      platform: 'express',
      queueCapacity: 1_000,
      admissionWaitMs: 250,
      leaseMs: 10_000,
      concurrency: 16,
      maxAttempts: 10,
      retryBaseMs: 200,
      retryMaxMs: 2_000,
      attemptTimeoutMs: 2_000,
      originConcurrency: 32,
      requestTimeoutMs: 10_000,
      maxBodyBytes: 1_048_576,
      shutdownBudgetMs: 25_000,
      lameDuckMs: 0,
    });
  });

  it('takes what is set', () => {
    const config = readEnvironment({
      PORT: '0',
      HOST: '::1',
      RELAY_PLATFORM: 'fastify',
      RELAY_DIGEST_QUEUE: '0',
    });
    expect(config).toMatchObject({ port: 0, host: '::1', platform: 'fastify', digestQueue: 0 });
  });

  it('lets as many digests wait as the threads can take, unless told', () => {
    expect(readEnvironment({ RELAY_DIGEST_WORKERS: '3' }).digestQueue).toBe(24);
    expect(readEnvironment({ RELAY_DIGEST_WORKERS: '3', RELAY_DIGEST_QUEUE: '5' }).digestQueue).toBe(5);
  });

  it.each([
    ['PORT', ''],
    ['PORT', '65536'],
    ['PORT', ' 80'],
    ['PORT', '0x50'],
    ['HOST', ' '],
    ['RELAY_QUEUE', 'amqp://localhost'],
    ['RELAY_QUEUE', 'sqlite:./jobs.db?journal=off'],
    ['RELAY_QUEUE', 'sqlite:?journal=off'],
    ['RELAY_QUEUE', 'sqlite://host/jobs.db'],
    ['RELAY_QUEUE', 'nats://localhost/a.b'],
    ['RELAY_QUEUE', 'memory'],
    ['RELAY_PLATFORM', 'koa'],
    ['RELAY_QUEUE_CAPACITY', '0'],
    ['RELAY_CONCURRENCY', '1.5'],
    ['RELAY_MAX_ATTEMPTS', '0'],
    ['RELAY_RETRY_BASE_MS', '-1'],
    ['RELAY_REQUEST_TIMEOUT_MS', '2147483648'],
    ['RELAY_SHUTDOWN_BUDGET_MS', '1e3'],
    ['RELAY_ALLOW_ORIGINS', ''],
    ['RELAY_ALLOW_ORIGINS', 'ftp://a.example'],
    ['RELAY_ALLOW_ORIGINS', 'https://a.example/path'],
  ])('refuses %s=%j in one line that names both', (name, value) => {
    const read = (): unknown => readEnvironment({ [name]: value });
    expect(read).toThrow(EnvironmentError);
    expect(read).toThrow(new RegExp(`^${name} .*${value.replaceAll(/[.?]/g, String.raw`\$&`)}[^\n]*$`));
  });

  it('refuses a longest back-off below the first one', () => {
    expect(() => readEnvironment({ RELAY_RETRY_BASE_MS: '500', RELAY_RETRY_MAX_MS: '100' })).toThrow(
      'RELAY_RETRY_MAX_MS must be at least RELAY_RETRY_BASE_MS, got "100"',
    );
  });
});

describe('RELAY_QUEUE', () => {
  function queueUrl(RELAY_QUEUE: string, RELAY_DATA = '/var/lib/relay'): string {
    return readEnvironment({ RELAY_QUEUE, RELAY_DATA }).queueUrl;
  }

  it('stands for a file beside the store where it is sqlite: alone', () => {
    expect(queueUrl('sqlite:')).toBe('sqlite:///var/lib/relay/jobs.db');
    expect(queueUrl('sqlite:?synchronous=full')).toBe('sqlite:///var/lib/relay/jobs.db?synchronous=full');
    expect(queueUrl('sqlite:', '/srv/50% of?it')).toBe('sqlite:///srv/50%25%20of%3Fit/jobs.db');
  });

  it.each([
    'memory:',
    'sqlite:./jobs.db',
    'sqlite:///var/jobs.db?synchronous=full',
    'redis://localhost',
    'postgres://localhost/relay',
    'nats://localhost/relay',
  ])('takes %s as it is', (url) => {
    expect(queueUrl(url)).toBe(url);
  });
});

describe('RELAY_ALLOW_ORIGINS', () => {
  it('allows every origin by default', () => {
    expect(readEnvironment({}).allowedOrigins(new URL('http://10.0.0.1:8080/x'))).toBe(true);
  });

  it('allows the origins it lists, ports included, and no other', () => {
    const { allowedOrigins } = readEnvironment({
      RELAY_ALLOW_ORIGINS: 'https://a.example, http://b.example:8080',
    });
    const asked = [
      'https://a.example/x',
      'https://a.example:443/',
      'http://b.example:8080/y',
      'http://a.example/',
    ];
    expect(asked.map((url) => allowedOrigins(new URL(url)))).toEqual([true, true, true, false]);
    expect(allowedOrigins(new URL('https://a.example.evil/'))).toBe(false);
  });
});

describe('environmentHelp', () => {
  it('lists every variable with its default', () => {
    const help = environmentHelp();
    expect(help).toMatch(/RELAY_MAX_BODY_BYTES +1048576 /);
    expect(help.match(/^ {2}(?:PORT|HOST|RELAY_)/gm)).toHaveLength(21);
  });
});
