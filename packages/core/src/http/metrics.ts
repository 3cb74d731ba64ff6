/**
 * Statistics of components as Prometheus text (exposition format 0.0.4). A figure becomes `holdfast_<key>` with the component as
 * a label; totals are counters, times are in seconds, switches are 0 or 1, and a word is a label of a sample that is always 1.
 */
import type { Stats } from '../component.ts';

/** Figures that only ever grow. */
const COUNTERS: ReadonlySet<string> = new Set([
  'abandoned',
  'cancelled',
  'completed',
  'crashed',
  'died',
  'dropped',
  'expired',
  'failed',
  'rejected',
  'released',
  'retried',
  'staleOutcomes',
]);

interface Family {
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: string[];
}

/** The text of the service's `own` figures and of its components' `stats`; families in alphabetical order, each once. */
export function prometheusText(service: string, own: Stats, stats: Readonly<Record<string, Stats>>): string {
  const families = new Map<string, Family>();
  add(families, own, { service });
  for (const [component, figures] of Object.entries(stats)) add(families, figures, { service, component });
  const lines = [...families]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { type, help, samples }]) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples,
    ]);
  return `${lines.join('\n')}\n`;
}

function add(families: Map<string, Family>, figures: Stats, of: Readonly<Record<string, string>>): void {
  const seen = new Set<string>();
  for (const [key, figure] of Object.entries(figures)) {
    if (figure === undefined) continue;
    const { name, type, labels, value } = sampleOf(key, figure);
    if (seen.has(name)) continue; // two keys that are spelled alike: a sample may be there only once
    seen.add(name);
    const family = families.get(name) ?? { type, help: helpOf(key), samples: [] };
    families.set(name, family);
    const written = Object.entries({ ...of, ...labels }).map(
      ([label, text]) => `${label}="${escapeLabel(text)}"`,
    );
    family.samples.push(`${name}{${written.join(',')}} ${value}`);
  }
}

interface Sample {
  readonly name: string;
  readonly type: Family['type'];
  readonly labels: Readonly<Record<string, string>>;
  readonly value: string;
}

function sampleOf(key: string, figure: string | number | boolean): Sample {
  if (typeof figure === 'string') {
    const name = snake(key);
    return {
      name: `holdfast_${name}_info`,
      type: 'gauge',
      labels: { [labelName(name)]: figure },
      value: '1',
    };
  }
  const isTime = key.endsWith('Ms');
  const base = `holdfast_${snake(isTime ? key.slice(0, -2) : key)}${isTime ? '_seconds' : ''}`;
  const value = typeof figure === 'boolean' ? Number(figure) : isTime ? figure / 1_000 : figure;
  const type = COUNTERS.has(key) ? 'counter' : 'gauge';
  return { name: type === 'counter' ? `${base}_total` : base, type, labels: {}, value: written(value) };
}

function snake(key: string): string {
  return key
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/\W/g, '_')
    .toLowerCase();
}

/** A label of that name that is not one of those every sample has, and does not begin with a digit. */
function labelName(name: string): string {
  return name === 'service' || name === 'component' || /^\d/.test(name) || name.startsWith('__')
    ? `value_${name}`
    : name;
}

function written(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

/** The key in words; it may be anything, so only its letters and digits. */
function helpOf(key: string): string {
  return `Figure: ${snake(key).replaceAll('_', ' ')}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
