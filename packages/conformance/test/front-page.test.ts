import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const directory = fileURLToPath(new URL('../node_modules/.readme/', import.meta.url));
const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));

/** The example under each heading, word for word. */
const examples = [...readme.matchAll(/^### (\w+)\n\n```ts\n(.*?)^```$/gms)].map(([, framework, source]) => ({
  framework: String(framework),
  source: String(source),
}));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  mkdirSync(directory, { recursive: true });
  const options = {
    extends: '../../tsconfig.json',
    compilerOptions: { noEmit: false, customConditions: [] },
    include: ['*.ts'],
  };
  writeFileSync(`${directory}tsconfig.json`, JSON.stringify(options));
  writeFileSync(`${directory}package.json`, JSON.stringify({ type: 'module' }));
  for (const { framework, source } of examples) writeFileSync(`${directory}${framework}.ts`, source);
  await promisify(execFile)(process.execPath, [tsc, '-p', directory]);
}, 60_000);

afterAll(() => rmSync(directory, { recursive: true }));

it('has an example for each framework', () => {
  expect(examples.map(({ framework }) => framework)).toEqual(['Express', 'Hono', 'NestJS']);
});

it.each(examples)(
  'runs the $framework example: it accepts, works, and drains on SIGTERM',
  async ({ framework }) => {
    const port = await freePort();
    const file = `${directory}${framework}.js`;
    // only the port is another one
    writeFileSync(file, readFileSync(file, 'utf8').replace('port: 3000', `port: ${port}`));
    const child = spawn(process.execPath, ['--unhandled-rejections=strict', '--trace-warnings', file]);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const exited = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));

    const url = `http://127.0.0.1:${port}`;
    await expect
      .poll(() => fetch(`${url}/readyz`).then(({ status }) => status, String), { timeout: 20_000 })
      .toBe(200);
    const accepted = await fetch(`${url}/mails/ada`, { method: 'POST' });
    child.kill('SIGTERM');
    expect(accepted.status).toBe(202);
    expect(await exited, output).toEqual({ code: 0, signal: null });
    expect(output).toContain('sent to ada');
    expect(output).not.toMatch(/\(node:\d+\)/);
  },
  60_000,
);
