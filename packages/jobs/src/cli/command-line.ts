/** From what was typed to an exit code: 0 done, 1 failed, 2 the command line is wrong. Answers go to stdout, all else to stderr. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { OPTIONS, type Command, type Given } from './command.ts';
import { deadCommands } from './dead-commands.ts';
import { enqueueCommand } from './enqueue-command.ts';
import { COMMON, helpOf, overview, usageOf } from './help.ts';
import { nearest } from './nearest.ts';
import { Place } from './place.ts';
import { jsonText, printable } from './print.ts';
import { queueCommands } from './queue-commands.ts';
import { UsageError } from './usage-error.ts';

const COMMANDS: readonly Command[] = [...queueCommands, ...deadCommands, enqueueCommand];

/** Names that are understood beside those of the commands. */
const ALIASES: ReadonlyMap<string, string> = new Map<string, string>([['list', 'queues']]);

/** Does what `args` say; resolves with the exit code, and never rejects. */
export async function runCommandLine(args: readonly string[]): Promise<0 | 1 | 2> {
  try {
    return await run(args);
  } catch (error) {
    // it may hold what was typed, or what a server said
    process.stderr.write(`holdfast-jobs: ${printable(messageOf(error))}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function run(args: readonly string[]): Promise<0 | 1> {
  const { words, given } = parse(args);
  if (given.version === true) return say(version());
  if (words.length === 0) {
    if (given.help === true) return say(overview(COMMANDS));
    throw new UsageError('which command? See holdfast-jobs --help');
  }
  const command = find(words);
  if (given.help === true) return say(helpOf(command));
  const operands = words.slice(command.name.split(' ').length);
  check(command, operands, given);
  const url = given.url ?? process.env['HOLDFAST_JOBS_URL'] ?? '';
  if (url === '') throw new UsageError('where are the queues? Give --url, or set HOLDFAST_JOBS_URL');
  await using place = await Place.open(url, command.creates ?? false);
  const { text, json, failed = false } = await command.run({ place, operands, given });
  say(given.json === true ? jsonText(json) : text);
  return failed ? 1 : 0;
}

function say(text: string): 0 {
  process.stdout.write(`${text}\n`);
  return 0;
}

function parse(args: readonly string[]): { readonly words: readonly string[]; readonly given: Given } {
  try {
    const { positionals, values } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    return { words: positionals, given: values };
  } catch (error) {
    const typed = /^Unknown option '(--[^']+)'/u.exec(messageOf(error))?.[1];
    if (typed === undefined) throw new UsageError(messageOf(error).split('. ', 1)[0]);
    throw new UsageError(
      `there is no option ${typed}${suggestion(
        typed,
        Object.keys(OPTIONS).map((name) => `--${name}`),
      )}`,
    );
  }
}

function find(words: readonly string[]): Command {
  const [first = '', second = ''] = words;
  const name = ALIASES.get(first) ?? first;
  const found = COMMANDS.find((command) => command.name === name || command.name === `${name} ${second}`);
  if (found !== undefined) return found;
  const family = COMMANDS.filter((command) => command.name.startsWith(`${name} `)).map(
    (command) => command.name,
  );
  if (family.length > 0) {
    const meant = second === '' ? undefined : nearest(`${name} ${second}`, family);
    throw new UsageError(
      meant === undefined
        ? `which one? ${family.join(', ')}`
        : `there is no command ${name} ${printable(second)}; did you mean ${meant}?`,
    );
  }
  const whole = COMMANDS.find((command) => command.name.endsWith(` ${first}`));
  if (whole !== undefined) throw new UsageError(`there is no command ${first}; did you mean ${whole.name}?`);
  const names = COMMANDS.flatMap((command) => [command.name, command.name.split(' ', 1)[0] ?? '']);
  throw new UsageError(`there is no command ${printable(first)}${suggestion(first, names)}`);
}

function suggestion(typed: string, names: readonly string[]): string {
  const meant = nearest(typed, names);
  return meant === undefined ? '; see holdfast-jobs --help' : `; did you mean ${meant}?`;
}

/** Checks the number of operands, and that no option is given that the command does not read. */
function check(command: Command, operands: readonly string[], given: Given): void {
  const slots = command.operands === '' ? [] : command.operands.split(' ');
  const required = slots.filter((slot) => slot.startsWith('<')).length;
  const many = command.operands.includes('…');
  if (operands.length < required || (!many && operands.length > slots.length) || operands.includes(''))
    throw new UsageError(`usage: holdfast-jobs ${usageOf(command)}`);
  const known: ReadonlySet<string> = new Set<string>([...command.options, ...COMMON]);
  for (const option of Object.keys(given))
    if (!known.has(option)) throw new UsageError(`${command.name} has no option --${option}`);
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return String(Reflect.get(Object(manifest), 'version'));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
