/** The main entry runs where there is no Node: nothing it reaches imports a `node:` module or `@holdfast/node`. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

function importsOf(
  file: URL,
  seen: Map<string, readonly string[]> = new Map(),
): Map<string, readonly string[]> {
  if (seen.has(file.href)) return seen;
  const specifiers = [
    ...readFileSync(file, 'utf8').matchAll(/^(?:import|export) .*?from '([^']+)';$/gms),
  ].map(([, specifier = '']) => specifier);
  seen.set(file.href, specifiers);
  for (const specifier of specifiers)
    if (specifier.startsWith('.')) importsOf(new URL(specifier, file), seen);
  return seen;
}

it('imports nothing of Node', () => {
  const imports = importsOf(new URL('../src/index.ts', import.meta.url));
  expect(imports.size).toBeGreaterThan(3);
  const outside = [...imports.values()].flat().filter((specifier) => !specifier.startsWith('.'));
  expect(new Set(outside)).toEqual(new Set(['@holdfast/core', '@holdfast/core/internal', 'hono']));
});
