import { describe, expect, it, vi } from 'vitest';

const loaded = vi.hoisted((): string[] => []);
vi.mock('@nats-io/transport-node', async (original) => {
  loaded.push('transport');
  return original();
});
vi.mock('@nats-io/jetstream', async (original) => {
  loaded.push('jetstream');
  return original();
});

describe('nats', () => {
  it('loads its client when a queue opens, not before', async () => {
    const { nats } = await import('../src/index.ts');
    const driver = nats.connect(new URL('nats://127.0.0.1:1'));
    expect(driver.capabilities).toMatchObject({ reach: 'network', backpressure: 'sampled' });
    expect(loaded).toEqual([]);
    await expect(driver.open({})).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    expect(loaded.toSorted()).toEqual(['jetstream', 'transport']);
  });

  it('answers nothing before it is open, and closes all the same', async () => {
    const { nats } = await import('../src/index.ts');
    const driver = nats.connect(new URL('nats://127.0.0.1'));
    await expect(driver.counts('q')).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    await expect(driver.queues?.()).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    await driver.close();
  });

  it('shows no password where a server is not there', async () => {
    const { nats } = await import('../src/index.ts');
    const driver = nats.connect(new URL('nats://ada:pass-word@127.0.0.1:1'));
    await expect(driver.open({})).rejects.toThrow(/^(?!.*pass-word)/su);
  });
});
