import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Service, type ServiceOptions } from '@holdfast/core';
import { describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { doctor, drainServer } from '../../src/index.ts';
import { doctorOf } from '../../src/process/doctor.ts';
import { handleSignalsOf } from '../../src/process/handle-signals.ts';
import { FakeProcess } from './fake-process.ts';

function codes(...args: Parameters<typeof doctorOf>): readonly string[] {
  return doctorOf(...args).findings.map(({ code }) => code);
}

/** A service in order, in a process that is. */
function healthy(shutdown: ServiceOptions['shutdown'] = {}): { host: FakeProcess; service: Service } {
  const host = new FakeProcess();
  const service = new Service({ name: 'test', shutdown });
  handleSignalsOf(host, service, {});
  return { host, service };
}

describe('the doctor', () => {
  it('finds nothing where all is well', () => {
    const { host, service } = healthy();
    host.env['TERMINATION_GRACE_SECONDS'] = '30';
    host.env['KUBERNETES_SERVICE_HOST'] = '10.0.0.1';
    const server = createServer();
    server.keepAliveTimeout = 65_000;
    drainServer(service, server);
    service.onShutdown('database', () => {});
    const diagnosis = doctorOf(host, service, { server, app: {} });
    expect(diagnosis.findings).toEqual([]);
    expect(String(diagnosis)).toBe(diagnosis.kubernetes);
  });

  it('finds a service that no signal reaches, and a server that knows of no shutdown', () => {
    const host = new FakeProcess();
    const [service, other] = [new Service({ name: 'test' }), new Service({ name: 'other' })];
    const server = createServer();
    server.keepAliveTimeout = 0; // for ever
    handleSignalsOf(host, other, {});
    drainServer(other, server);
    expect(codes(host, service, { server })).toEqual(['signals-not-handled', 'not-drained']);
    expect(doctorOf(host, service, {}).findings[0]?.advice).toContain('ends the process at once');
    host.pid = 1;
    expect(doctorOf(host, service, {}).findings[0]?.advice).toContain('does nothing to process 1');
  });

  it('finds what the place it runs in does not fit', () => {
    const { host, service } = healthy();
    Object.assign(host.env, {
      TERMINATION_GRACE_SECONDS: '25',
      npm_lifecycle_event: 'start',
      NODE_ENV: 'production',
    });
    const server = createServer();
    drainServer(service, server);
    expect(codes(host, service, { server })).toEqual([
      'npm-in-front',
      'keep-alive-too-short',
      'grace-too-short',
    ]);
    expect(codes(host, service, { server, balancerIdleMs: 4_000 })).toEqual([
      'npm-in-front',
      'grace-too-short',
    ]);
    expect(doctorOf(host, service, {}).findings[1]?.advice).toContain('terminationGracePeriodSeconds to 30');
  });

  it('finds a time-out beyond a short budget, but only of what is really waited for', () => {
    const { host, service } = healthy({ preset: 'pm2' });
    service.own({ name: 'cache', drain: async () => ({ drained: true, left: 0, leaked: [] }) });
    expect(codes(host, service, {})).toEqual([]);
    service.onShutdown('database', () => {});
    expect(doctorOf(host, service, {}).findings).toMatchObject([
      { code: 'hook-without-timeout', advice: expect.stringContaining('"database"') },
    ]);
  });

  it('takes a grace period that is set to nothing for none', () => {
    const { host, service } = healthy();
    host.env['TERMINATION_GRACE_SECONDS'] = '';
    expect(codes(host, service, {})).toEqual([]);
  });

  it('finds npm as process 1, but not npm in development', () => {
    const { host, service } = healthy();
    host.env['npm_lifecycle_event'] = 'start';
    expect(codes(host, service, {})).toEqual([]);
    host.ppid = 1;
    expect(codes(host, service, {})).toEqual(['npm-in-front']);
  });

  it('finds hooks and components without a time-out of their own', () => {
    const { host, service } = healthy();
    service.onShutdown('fine', () => {}, { timeoutMs: 24_000 });
    service.onShutdown('hanging', () => {}, { timeoutMs: Infinity });
    service.own({ name: 'pool', [Symbol.asyncDispose]: async () => {} }, { timeoutMs: 25_000 });
    const { findings } = doctorOf(host, service, {});
    expect(findings.map(({ code, advice }) => [code, advice.slice(0, 22)])).toEqual([
      ['hook-without-timeout', 'The hook "hanging" may'],
      ['hook-without-timeout', 'The component "pool" m'],
    ]);
  });

  it('finds a delay that the budget does not hold', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const cut = healthy({ phases: { 'lame-duck': 60_000 } });
    expect(doctorOf(cut.host, cut.service, {}).findings).toEqual([
      {
        code: 'delay-beyond-budget',
        advice:
          'A lame duck of 60000 ms does not fit into a shutdown of 25000 ms, and was cut to 7500 ms: set a larger shutdown.budgetMs',
      },
    ]);
    expect(warn).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
    const late = healthy({ phases: { 'lame-duck': 15_000 } });
    expect(codes(late.host, late.service, {})).toEqual(['delay-beyond-budget']);
    const drains = healthy({ phases: { drain: 20_000 } });
    expect(codes(drains.host, drains.service, {})).toEqual(['delay-beyond-budget']);
  });

  it('finds a lame duck that is shorter than the balancer takes to learn', () => {
    const { host, service } = healthy({ phases: { 'lame-duck': 0 } });
    expect(codes(host, service, {})).toEqual([]);
    host.env['KUBERNETES_SERVICE_HOST'] = '10.0.0.1';
    expect(codes(host, service, {})).toEqual(['lame-duck-too-short']);
    const preset = healthy();
    preset.host.env['KUBERNETES_SERVICE_HOST'] = '10.0.0.1';
    expect(codes(preset.host, preset.service, { balancerLearnsMs: 5_000 })).toEqual([]);
    expect(codes(preset.host, preset.service, { balancerLearnsMs: 15_000 })).toEqual(['lame-duck-too-short']);
  });

  it("finds Nest's return503OnClosing where it was set", () => {
    const { host, service } = healthy();
    expect(codes(host, service, { app: { appOptions: { return503OnClosing: true } } })).toEqual([
      'rejects-while-closing',
    ]);
    expect(codes(host, service, { app: { appOptions: {} } })).toEqual([]);
  });

  it('looks at the process it is called in', () => {
    const service = new Service({ name: 'test' });
    expect(doctor(service).findings.map(({ code }) => code)).toContain('signals-not-handled');
  });

  it('checks its options', () => {
    const service = new Service({ name: 'test' });
    expect(() => doctor(service, { balancerIdleMs: -1 })).toThrow(RangeError);
    expect(() => doctor(service, { balancerLearnsMs: Number.NaN })).toThrow(RangeError);
    expect(() => doctor(service, { startTimeoutMs: '1' as never })).toThrow(TypeError);
    expect(() => doctor(service, { healthPath: 'health' })).toThrow(RangeError);
    expect(() => doctor(service, { healthPath: '/health/' })).toThrow(RangeError);
    expect(() => doctor(service, { healthPath: 1 as never })).toThrow(TypeError);
    expect(() => doctor(service, { servers: [] } as never)).toThrow(TypeError);
    for (const wrong of [{ server: {} }, { server: null }, { app: null }, { app: 'nest' }])
      expect(() => doctor(service, wrong as never)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
      );
  });
});

/** What a patch says of the pod, and of its one container. */
function podOf(yaml: string): { pod: unknown; container: unknown } {
  const { spec } = parse(yaml) as { spec: { template: { spec: { containers: readonly unknown[] } } } };
  expect(spec.template.spec.containers).toHaveLength(1);
  return { pod: spec.template.spec, container: spec.template.spec.containers[0] };
}

describe('the patch for Kubernetes', () => {
  it('gives the budget its grace, and every probe its route; the lame duck makes preStop needless', async () => {
    const { host, service } = healthy();
    const server = createServer();
    drainServer(service, server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const { kubernetes } = doctorOf(host, service, { server });
    server.close();
    expect(parse(kubernetes)).toEqual({
      spec: {
        template: {
          spec: {
            terminationGracePeriodSeconds: 30,
            containers: [
              {
                name: 'test',
                startupProbe: {
                  httpGet: { path: '/startupz', port },
                  periodSeconds: 2,
                  failureThreshold: 30,
                },
                livenessProbe: {
                  httpGet: { path: '/livez', port },
                  periodSeconds: 10,
                  timeoutSeconds: 1,
                  failureThreshold: 3,
                },
                readinessProbe: {
                  httpGet: { path: '/readyz', port },
                  periodSeconds: 5,
                  timeoutSeconds: 1,
                  failureThreshold: 2,
                },
              },
            ],
          },
        },
      },
    });
    expect(kubernetes).toContain('# no preStop: the lame duck of 5 s serves on');
  });

  it('lets the container sleep for what the lame duck does not cover', () => {
    const { host, service } = healthy({ budgetMs: 60_000, phases: { 'lame-duck': 0 } });
    const { pod, container } = podOf(doctorOf(host, service, { balancerLearnsMs: 10_500 }).kubernetes);
    expect(pod).toMatchObject({ terminationGracePeriodSeconds: 76 });
    expect(container).toMatchObject({ lifecycle: { preStop: { sleep: { seconds: 11 } } } });
  });

  it('asks where the routes are, over TLS where the server speaks it, for as long as the start may take', () => {
    const { host, service } = healthy();
    const key = readFileSync(new URL('../fixtures/localhost.pem', import.meta.url));
    const server = createHttpsServer({ key, cert: key });
    const { kubernetes } = doctorOf(host, service, {
      server,
      healthPath: '/internal',
      startTimeoutMs: 300_000,
    });
    expect(podOf(kubernetes).container).toMatchObject({
      startupProbe: {
        httpGet: { path: '/internal/startupz', port: 'http', scheme: 'HTTPS' },
        periodSeconds: 2,
        failureThreshold: 150,
      },
    });
  });

  it('is valid whatever the service is called, and stays so with the findings above it', () => {
    for (const [name, container] of [
      ['Orders: "EU" #1', 'orders-eu-1'],
      ['…', 'app'],
      ['x'.repeat(80), 'x'.repeat(63)],
    ] as const) {
      const service = new Service({ name });
      service.onShutdown('two\nlines: [', () => {}, { timeoutMs: Infinity });
      const diagnosis = doctorOf(new FakeProcess(), service, {});
      expect(diagnosis.findings).not.toEqual([]);
      expect(podOf(String(diagnosis)).container).toMatchObject({ name: container });
      expect(String(diagnosis)).toMatch(/^# signals-not-handled: /);
    }
  });
});
