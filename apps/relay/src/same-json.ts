/**
 * Whether two JSON texts say the same, whatever the order of their members. Walks with a stack of its own, so that no nesting is
 * too deep for it.
 */

/** Compares two valid JSON texts by value. */
export function sameJson(one: string, other: string): boolean {
  if (one === other) return true;
  const pairs: [unknown, unknown][] = [[JSON.parse(one), JSON.parse(other)]];
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [a, b] = pair;
    if (Object.is(a, b)) continue;
    if (!isStructure(a) || !isStructure(b) || Array.isArray(a) !== Array.isArray(b)) return false;
    const keys = Object.keys(a);
    if (keys.length !== Object.keys(b).length) return false;
    for (const key of keys) {
      if (!Object.hasOwn(b, key)) return false;
      pairs.push([a[key], b[key]]);
    }
  }
  return true;
}

function isStructure(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
