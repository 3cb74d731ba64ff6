/** What `--help` says. */
import type { Command, OptionName } from './command.ts';

const MEANINGS: Readonly<Record<OptionName, string>> = {
  url: '--url <url>             where the queues are; else HOLDFAST_JOBS_URL',
  json: '--json                  one JSON document instead of text',
  help: '-h, --help              this',
  version: '-v, --version           the version',
  all: '--all                   all dead jobs there are',
  yes: '-y, --yes               do not ask',
  limit: '--limit <n>             how many at most (100)',
  cursor: '--cursor <cursor>       go on behind this one',
  id: '--id <id>               its id; a second job of it is a duplicate',
  'delay-ms': '--delay-ms <ms>         not before so long from now',
  priority: '--priority <priority>   high, normal or low',
  'max-retries': '--max-retries <n>       how many starts may follow the first',
  header: '--header <name=value>   a header; may be repeated',
};

/** Options of every command. */
export const COMMON: readonly OptionName[] = ['url', 'json', 'help', 'version'];

/** Help about all commands. */
export function overview(commands: readonly Command[]): string {
  const usages = commands.map(usageOf);
  const width = Math.max(...usages.map(({ length }) => length));
  const lines = commands.map(({ summary }, index) => `  ${usages[index]?.padEnd(width) ?? ''}  ${summary}`);
  return [
    'Looks after Holdfast job queues.',
    '',
    'holdfast-jobs <command> [options]',
    '',
    ...lines,
    '',
    ...COMMON.map((option) => `  ${MEANINGS[option]}`),
    '',
    'URLs: sqlite:./data/jobs.db, redis://…, postgres://…, nats://…',
    'Exit codes: 0 done, 1 failed, 2 the command line is wrong.',
  ].join('\n');
}

/** Help about one command. */
export function helpOf(command: Command): string {
  return [
    `holdfast-jobs ${usageOf(command)}`,
    '',
    `  ${command.summary}`,
    '',
    ...[...command.options, ...COMMON].map((option) => `  ${MEANINGS[option]}`),
  ].join('\n');
}

/** How a command is called. */
export function usageOf({ name, operands }: Command): string {
  return operands === '' ? name : `${name} ${operands}`;
}
