import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { AppProcess } from '../src/app-process.ts';
import { eventually, temporaryDirectory } from '../src/relay.ts';

const script = fileURLToPath(new URL('../../../scripts/start.mjs', import.meta.url));

it.each(['express', 'hono', 'nestjs'])(
  'starts relay, receiver and traffic with --framework %s, and ends all in order on Ctrl-C',
  async (framework) => {
    await using demo = new AppProcess(script, {
      args: ['--framework', framework],
      env: { PORT: '0', RELAY_DATA: await temporaryDirectory() },
      group: true,
    });
    const [, received] = await demo.printed(/(http:\/\/\S+\/received)/);
    expect(demo.stdout).toMatch(/curl -i 'http:\/\/\S+\/events\?wait=delivered'/);
    const count = async (): Promise<number> =>
      ((await (await fetch(String(received))).json()) as { unique: number }).unique;
    await eventually(async () => ((await count()) >= 3 ? true : undefined));

    demo.kill('SIGINT'); // as a terminal does: to the whole process group
    expect(await demo.exited, demo.output).toEqual({ code: 0, signal: null });
    expect(demo.stdout).toMatch(/^relay +\| shutdown report .*"outcome":"clean"/m);
    await expect(fetch(String(received))).rejects.toThrow('fetch failed');
  },
);

it('refuses an unknown framework with one line and exit code 2', async () => {
  await using demo = new AppProcess(script, { args: ['--framework', 'koa'] });
  expect(await demo.exited).toEqual({ code: 2, signal: null });
  expect(demo.stderr).toMatch(/^--framework must be one of .*"koa"\n$/);
});
