import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inboundScope } from '../../src/http/inbound.ts';

const read = (headers: Record<string, string>): ReturnType<typeof inboundScope> =>
  inboundScope((name) => new Headers(headers).get(name));

describe('inboundScope', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('reads the id and the time the caller will wait', () => {
    const scope = read({ 'X-Request-Id': 'a1.b-2', 'X-Request-Timeout-Ms': '250' });
    expect(scope.id).toBe('a1.b-2');
    expect(scope.deadline?.remainingMs).toBe(250);
  });

  it('takes 0 for a caller who waits no longer', () => {
    expect(read({ 'x-request-timeout-ms': '0' }).deadline?.expired).toBe(true);
  });

  it.each(['', '-5', '1e3', 'soon', '12.5', '0x10', '1'.repeat(40)])('ignores a time of %j', (value) => {
    expect(read({ 'x-request-timeout-ms': value }).deadline).toBeUndefined();
  });

  it.each(['', 'a b', 'x'.repeat(129), '"><script>'])('ignores an id of %j', (value) => {
    expect(read({ 'x-request-id': value }).id).toBeUndefined();
  });
});
