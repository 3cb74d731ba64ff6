import { createServer } from 'node:http';
import { Service } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { doctor, drainServer } from '../../src/index.ts';
import { doctorOf } from '../../src/process/doctor.ts';
import { handleSignalsOf } from '../../src/process/handle-signals.ts';
import { FakeProcess } from './fake-process.ts';

function codes(...args: Parameters<typeof doctorOf>): readonly string[] {
  return doctorOf(...args).map(({ code }) => code);
}

describe('the doctor', () => {
  it('finds nothing where all is well', () => {
    const host = new FakeProcess();
    host.env['TERMINATION_GRACE_SECONDS'] = '30';
    const service = new Service({ name: 'test' });
    const server = createServer();
    server.keepAliveTimeout = 65_000;
    handleSignalsOf(host, service, {});
    drainServer(service, server);
    expect(doctorOf(host, service, { server })).toEqual([]);
  });

  it('finds a service that no signal reaches, and a server that knows of no shutdown', () => {
    const host = new FakeProcess();
    const [service, other] = [new Service({ name: 'test' }), new Service({ name: 'other' })];
    const server = createServer();
    server.keepAliveTimeout = 0; // for ever
    handleSignalsOf(host, other, {});
    drainServer(other, server);
    expect(codes(host, service, { server })).toEqual(['signals-not-handled', 'not-drained']);
  });

  it('finds what the place it runs in does not fit', () => {
    const host = new FakeProcess();
    Object.assign(host.env, {
      TERMINATION_GRACE_SECONDS: '25',
      npm_lifecycle_event: 'start',
      NODE_ENV: 'production',
    });
    const service = new Service({ name: 'test' });
    const server = createServer();
    handleSignalsOf(host, service, {});
    drainServer(service, server);
    expect(codes(host, service, { server })).toEqual([
      'keep-alive-too-short',
      'npm-in-front',
      'grace-too-short',
    ]);
    expect(codes(host, service, { server, balancerIdleMs: 4_000 })).toEqual([
      'npm-in-front',
      'grace-too-short',
    ]);
    expect(doctorOf(host, service, {})[1]?.advice).toContain('terminationGracePeriodSeconds to 26');
  });

  it('checks its options', () => {
    const service = new Service({ name: 'test' });
    expect(() => doctor(service, { balancerIdleMs: -1 })).toThrow(RangeError);
    expect(() => doctor(service, { servers: [] } as never)).toThrow(TypeError);
  });
});
