import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stats } from '../../src/index.ts';
import { prometheusText } from '../../src/http/metrics.ts';

const lines = (stats: Record<string, Stats>): string[] =>
  prometheusText('s', {}, stats).trimEnd().split('\n');

interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Reads the exposition format as a scraper does, and throws where it is broken. */
function parse(text: string): { types: ReadonlyMap<string, string>; samples: readonly Sample[] } {
  if (!text.endsWith('\n')) throw new Error('no newline at the end');
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const closed = new Set<string>();
  let current: string | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const meta = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.*)$/.exec(line);
    if (meta !== null) {
      const [, kind = '', name = '', rest = ''] = meta;
      if (name !== current && closed.has(name)) throw new Error(`${name} is there twice`);
      if (current !== undefined && name !== current) closed.add(current);
      current = name;
      if (kind === 'TYPE') types.set(name, rest);
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*",?)*)\} (\S+)$/.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const [, name = '', labels = '', value = ''] = sample;
    if (name !== current) throw new Error(`${name} under ${current}`);
    const parsed = new Map<string, string>();
    for (const [, label = '', quoted = ''] of labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      if (parsed.has(label)) throw new Error(`label ${label} twice`);
      parsed.set(
        label,
        quoted.replaceAll(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one)),
      );
    }
    samples.push({
      name,
      labels: parsed,
      value: value === '+Inf' ? Infinity : value === '-Inf' ? -Infinity : Number(value),
    });
  }
  return { types, samples };
}

describe('Prometheus text', () => {
  it('has each family once, with help and type, the component as a label', () => {
    expect(lines({ a: { depth: 1, inFlight: 2 }, b: { depth: 3 } })).toEqual([
      '# HELP holdfast_depth Figure: depth',
      '# TYPE holdfast_depth gauge',
      'holdfast_depth{service="s",component="a"} 1',
      'holdfast_depth{service="s",component="b"} 3',
      '# HELP holdfast_in_flight Figure: in flight',
      '# TYPE holdfast_in_flight gauge',
      'holdfast_in_flight{service="s",component="a"} 2',
    ]);
  });

  it('has totals as counters, times in seconds, switches as 0 and 1, words as labels', () => {
    const text = lines({
      a: { dropped: 4, oldestAgeMs: 1_500, delayP99Ms: 2, paused: false, open: true, state: 'half-open' },
    });
    expect(text.filter((line) => !line.startsWith('# HELP'))).toEqual([
      '# TYPE holdfast_delay_p99_seconds gauge',
      'holdfast_delay_p99_seconds{service="s",component="a"} 0.002',
      '# TYPE holdfast_dropped_total counter',
      'holdfast_dropped_total{service="s",component="a"} 4',
      '# TYPE holdfast_oldest_age_seconds gauge',
      'holdfast_oldest_age_seconds{service="s",component="a"} 1.5',
      '# TYPE holdfast_open gauge',
      'holdfast_open{service="s",component="a"} 1',
      '# TYPE holdfast_paused gauge',
      'holdfast_paused{service="s",component="a"} 0',
      '# TYPE holdfast_state_info gauge',
      'holdfast_state_info{service="s",component="a",state="half-open"} 1',
    ]);
  });

  it('escapes names and words, and leaves out what is undefined', () => {
    const { samples } = parse(prometheusText('s', {}, { 'a"\\\nb': { state: '"\\\n', gone: undefined } }));
    expect(samples).toHaveLength(1);
    expect(samples[0]?.labels.get('component')).toBe('a"\\\nb');
    expect(samples[0]?.labels.get('state')).toBe('"\\\n');
  });

  it('writes infinities as Prometheus does', () => {
    const text = lines({ a: { capacity: Infinity, low: -Infinity, none: Number.NaN } }).filter(
      (line) => !line.startsWith('#'),
    );
    expect(text.map((line) => line.split(' ').at(-1))).toEqual(['+Inf', '-Inf', 'NaN']);
  });

  it('has the figures of the service itself without a component', () => {
    expect(prometheusText('relay', { scopes: 2 }, {})).toContain('\nholdfast_scopes{service="relay"} 2\n');
  });

  it('can be read back whatever components, keys and words there are', () => {
    const figure = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constant(undefined),
    );
    const key = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.constantFrom('depth', 'ageMs', 'service', 'component', '0', 'a b', 'a_b', 'dropped'),
    );
    const all = fc.dictionary(fc.string({ unit: 'binary' }), fc.dictionary(key, figure, { maxKeys: 6 }), {
      maxKeys: 4,
    });
    fc.assert(
      fc.property(all, (stats) => {
        const { types, samples } = parse(prometheusText('s', { scopes: 0 }, stats));
        for (const { name } of samples) expect(types.get(name)).toMatch(/^(gauge|counter)$/);
        const identities = samples.map(({ name, labels }) => JSON.stringify([name, ...labels]));
        expect(new Set(identities).size).toBe(identities.length);
        const components = new Set(samples.map(({ labels }) => labels.get('component')));
        for (const [component, figures] of Object.entries(stats))
          expect(components.has(component)).toBe(Object.values(figures).some((value) => value !== undefined));
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});
