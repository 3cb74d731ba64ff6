/** The README's example is test/example.ts, word for word, and it runs: only its port and its signals are changed here. */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Service } from '@holdfast/core';
import type * as Adapter from '@holdfast/nestjs';
import { Logger } from '@nestjs/common';
import { expect, it, vi } from 'vitest';

interface Started {
  server?: Promise<Server>;
  service?: Service;
}

const started = vi.hoisted((): Started => ({}));

vi.mock('@holdfast/nestjs', async (original) => {
  const adapter = await original<typeof Adapter>();
  const listen: typeof adapter.listen = (app, options) => {
    started.service = app.get(adapter.Service);
    started.server = adapter.listen(app, {
      ...options,
      port: 0,
      host: '127.0.0.1',
      signals: [],
      exit: 'none',
    });
    return started.server;
  };
  return { ...adapter, listen };
});

it('runs as the README says', { timeout: 30_000 }, async () => {
  const source = readFileSync(new URL('example.ts', import.meta.url), 'utf8');
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(
    `\`\`\`ts\n${source}\`\`\``,
  );

  Logger.overrideLogger(false);
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  await import('./example.ts');
  const address = (await started.server)?.address() as AddressInfo;
  const base = `http://127.0.0.1:${address.port}`;
  expect(await (await fetch(base)).json()).toEqual({ hello: 'world' });
  expect((await fetch(`${base}/readyz`)).status).toBe(200);
  const report = await started.service?.shutdown();
  expect(report?.outcome).toBe('clean');
  expect(log).toHaveBeenCalledWith('said hello');
});
