/** What can be typed, and what cannot. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { jsonText } from '../../src/cli/print.ts';
import { holdfastJobs } from './command.ts';

it('says what it can do', async () => {
  const { code, out, err } = await holdfastJobs(['--help']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const name of [
    'queues',
    'stats',
    'dead list',
    'dead show',
    'dead requeue',
    'dead remove',
    'pause',
    'resume',
    'enqueue',
  ])
    expect(out).toContain(`  ${name}`);
});

it('says what one command can do', async () => {
  const { code, out } = await holdfastJobs(['dead', 'list', '--help']);
  expect(code).toBe(0);
  expect(out).toContain('holdfast-jobs dead list <queue>');
  expect(out).toContain('--limit <n>');
  expect(out).not.toContain('--priority');
});

it('says its version', async () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(await holdfastJobs(['--version'])).toMatchObject({
    code: 0,
    out: `${String(Reflect.get(Object(manifest), 'version'))}\n`,
  });
});

const url = 'sqlite:./nothing-here.db';

it.each<readonly [what: string, args: readonly string[], url: string | undefined, says: string]>([
  ['nothing', [], url, 'which command? See holdfast-jobs --help'],
  ['a mistyped command', ['stast', 'q'], url, 'there is no command stast; did you mean stats?'],
  ['the beginning of a command', ['re', 'q'], url, 'there is no command re; did you mean resume?'],
  ['half of a command', ['requeue', 'q'], url, 'there is no command requeue; did you mean dead requeue?'],
  ['a command like no other', ['explode'], url, 'there is no command explode; see holdfast-jobs --help'],
  ['half a command', ['dead'], url, 'which one? dead list, dead show, dead requeue, dead remove'],
  [
    'a mistyped second word',
    ['dead', 'lsit', 'q'],
    url,
    'there is no command dead lsit; did you mean dead list?',
  ],
  ['too little', ['stats'], url, 'usage: holdfast-jobs stats <queue>'],
  ['too much', ['stats', 'a', 'b'], url, 'usage: holdfast-jobs stats <queue>'],
  ['an empty name', ['stats', ''], url, 'usage: holdfast-jobs stats <queue>'],
  ['a mistyped option', ['stats', 'q', '--jsn'], url, 'there is no option --jsn; did you mean --json?'],
  [
    'an option without its value',
    ['stats', 'q', '--url'],
    undefined,
    "Option '--url <value>' argument missing",
  ],
  ['an option of another command', ['stats', 'q', '--all'], url, 'stats has no option --all'],
  ['no URL', ['queues'], undefined, 'where are the queues? Give --url, or set HOLDFAST_JOBS_URL'],
  ['no URL at all', ['queues'], 'jobs.db', 'url must be a URL such as sqlite:./data/jobs.db'],
  [
    'a scheme that nobody serves',
    ['queues'],
    'kafka://broker',
    'url must be of a scheme that a package serves',
  ],
  ['a URL that its engine does not know', ['queues'], 'sqlite:', 'a sqlite: URL must be the path of a file'],
  ['a queue in memory', ['queues'], 'memory:', 'a memory: queue can only be seen by the process that has it'],
])('refuses %s with exit code 2', async (_what, args, url, says) => {
  const { code, out, err } = await holdfastJobs(args, { url });
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain(`holdfast-jobs: ${says}`);
  expect(err.trimEnd()).not.toContain('\n');
});

it('makes no file by looking', async () => {
  const { code, err } = await holdfastJobs(['queues'], { url });
  expect({ code, err }).toEqual({ code: 1, err: 'holdfast-jobs: there is no file ./nothing-here.db\n' });
});

it('repeats nothing that could steer a terminal', async () => {
  const { code, err } = await holdfastJobs(['--\u001B[2Jx\u009B']);
  expect(code).toBe(2);
  expect(err).toContain('there is no option --\\u{1b}[2Jx\\u{9b};');
});

it('writes JSON that is the same, and of which no character steers a terminal', () => {
  const value = { id: '\u001B[2J\u009B2J\u202E\u{E0001}\u2028 é\u{1F600}', list: [1, 'a\nb'] };
  const text = jsonText(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/u);
  expect(text).toContain(' é\u{1F600}');
});
