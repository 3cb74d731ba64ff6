import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('lets only the worker file of the relay and its wirings import the SQLite binding', () => {
  const apps = fileURLToPath(new URL('../..', import.meta.url));
  const sources = readdirSync(apps)
    .filter((app) => app.startsWith('relay'))
    .map((app) => join(app, 'src'))
    .flatMap((directory) =>
      readdirSync(join(apps, directory), { encoding: 'utf8', recursive: true }).map((file) =>
        join(directory, file),
      ),
    )
    .filter((file) => file.endsWith('.ts'));
  const importing = sources.filter((file) =>
    /^(?!import type).*import[( ].*@photostructure\/sqlite'/m.test(readFileSync(join(apps, file), 'utf8')),
  );
  expect(importing).toEqual([join('relay', 'src', 'store.sync.ts')]);
});

it('keeps each wiring of the relay under 150 lines', () => {
  const apps = fileURLToPath(new URL('../..', import.meta.url));
  for (const wiring of ['relay-express', 'relay-hono', 'relay-nestjs']) {
    const lines = readdirSync(join(apps, wiring, 'src')).map(
      (file) =>
        readFileSync(join(apps, wiring, 'src', file), 'utf8')
          .trimEnd()
          .split('\n').length,
    );
    expect(
      lines.reduce((sum, count) => sum + count),
      wiring,
    ).toBeLessThan(150);
  }
});
