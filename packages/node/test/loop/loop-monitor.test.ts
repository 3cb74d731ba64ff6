import { setTimeout as delay } from 'node:timers/promises';
import { Service, isHoldfastError, subscribe, type HoldfastEvent } from '@holdfast/core';
import { describe, expect, it, vi } from 'vitest';
import { LoopMonitor, type LoopMonitorOptions } from '../../src/index.ts';

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function listen(): Disposable & { readonly types: string[]; readonly events: HoldfastEvent[] } {
  const events: HoldfastEvent[] = [];
  const types: string[] = [];
  const subscription = subscribe((event) => {
    if (!event.type.startsWith('loop.')) return;
    events.push(event);
    types.push(event.type);
  });
  return { events, types, [Symbol.dispose]: () => subscription[Symbol.dispose]() };
}

/** A service whose loop is blocked until it is overloaded. */
async function overloaded(
  options: LoopMonitorOptions = {},
): Promise<{ service: Service; monitor: LoopMonitor }> {
  const service = new Service({ name: 'test' });
  const monitor = service.own(new LoopMonitor({ sampleMs: 20, maxDelayMs: 30, ...options }));
  await service.start();
  while (monitor.health().status === 'up') {
    block(60);
    await delay(1);
  }
  return { service, monitor };
}

describe('the loop monitor', () => {
  it('is degraded while the loop is blocked, and recovers', async () => {
    using heard = listen();
    const { service, monitor } = await overloaded();
    expect(monitor.health()).toEqual({
      status: 'degraded',
      detail: expect.stringMatching(/^busy \d+ %, blocked up to \d+ ms$/),
    });
    expect((await service.health()).ready).toBe(true);
    expect(monitor.stats()).toMatchObject({
      overloaded: true,
      utilization: expect.any(Number),
      heapUsedBytes: expect.any(Number),
    });
    expect(Number(monitor.stats()['delayMaxMs'])).toBeGreaterThan(30);

    while (monitor.health().status !== 'up') await delay(5);

    expect(heard.types).toEqual(['loop.overloaded', 'loop.recovered']);
    await service.shutdown();
  });

  it('sheds requests at the door, saying when to come again', async () => {
    const { service, monitor } = await overloaded();
    vi.spyOn(Math, 'random').mockReturnValue(0);
    let error: unknown;
    try {
      service.openScope();
    } catch (thrown) {
      error = thrown;
    }
    vi.restoreAllMocks();
    expect(isHoldfastError(error, 'OVERLOADED') && error.retryAfterMs).toBe(1_000);
    expect(monitor.stats()).toMatchObject({ rejected: 1 });
    await service.shutdown();
  });

  it('sheds nothing where it is told not to', async () => {
    const { service, monitor } = await overloaded({ shed: false });
    expect(monitor.overload()).toBeUndefined();
    await service.shutdown();
  });

  it('tells who blocked the loop', async () => {
    const service = new Service({ name: 'test' });
    service.own(new LoopMonitor({ traceBlocksMs: 100 }));
    await service.start();
    using heard = listen();

    while (!heard.types.includes('loop.blocked')) {
      culprit(300);
      await delay(20);
    }
    const blocked = heard.events.find(({ type }) => type === 'loop.blocked');
    expect(blocked?.data['durationMs']).toBeGreaterThan(100);
    expect(blocked?.data['stack']).toEqual(
      expect.arrayContaining([expect.stringMatching(/^culprit \(.*loop-monitor\.test\.ts:\d+\)$/)]),
    );
    await service.shutdown();
  });

  it('watches only while it is open, and keeps no timer', async () => {
    vi.useFakeTimers();
    const monitor = new LoopMonitor();
    expect(vi.getTimerCount()).toBe(0);
    monitor.open();
    monitor.open();
    expect(vi.getTimerCount()).toBe(1);
    await monitor[Symbol.asyncDispose]();
    expect(vi.getTimerCount()).toBe(0);
    expect(monitor.health()).toEqual({ status: 'up' });
    vi.useRealTimers();
  });

  it('checks its options', () => {
    expect(make({ name: '' })).toThrow(RangeError);
    expect(make({ sampleMs: 1 })).toThrow(RangeError);
    expect(make({ maxUtilization: 1.5 })).toThrow(RangeError);
    expect(make({ maxDelayMs: '1' })).toThrow(TypeError);
    expect(make({ shed: 'yes' })).toThrow(TypeError);
    expect(make({ traceBlocksMs: 0 })).toThrow(RangeError);
    expect(make({ interval: 1 })).toThrow(TypeError);
  });
});

/** Makes a monitor of options that may be wrong. */
function make(options: unknown): () => LoopMonitor {
  return () => new LoopMonitor(options as LoopMonitorOptions);
}

/** Keeps the loop from everybody else, in JavaScript. */
function culprit(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
