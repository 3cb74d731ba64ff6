/** One server in a process of its own: `argv[2]` names the framework, `argv[3]` is `bare`, `context` or `holdfast`. Tells what its CPU did. */
import { trios, type Trio } from './servers.ts';

/** What it says, first on its own and then when asked. */
export type Word = { readonly port: number } | { readonly cpuMs: number };

const [, , framework = '', kind = ''] = process.argv;
const start = trios[framework]?.[kind as keyof Trio];
if (start === undefined) throw new Error(`there is no ${kind} ${framework}`);

function say(word: Word): void {
  process.send?.(word);
}

process.on('message', (asked) => {
  if (asked !== 'cpu') return;
  const { user, system } = process.cpuUsage();
  say({ cpuMs: (user + system) / 1_000 });
});
const address = (await start()).address();
if (typeof address === 'object' && address !== null) say({ port: address.port });
