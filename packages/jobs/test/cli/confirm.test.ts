import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { confirm, type People } from '../../src/cli/confirm.ts';

/** Somebody at a terminal. */
function people(isTTY = true): People & { readonly stdin: PassThrough; readonly stderr: PassThrough } {
  return {
    stdin: Object.assign(new PassThrough(), { isTTY }),
    stderr: Object.assign(new PassThrough(), { isTTY }),
  };
}

it.each(['y', 'Y', 'yes', ' yes '])('goes on when it hears %j', async (answer) => {
  const { stdin, stderr } = people();
  const confirmed = confirm('remove 2 dead jobs of mails', false, { stdin, stderr });
  expect(String(stderr.read())).toContain('remove 2 dead jobs of mails? [y/N] ');
  stdin.write(`${answer}\n`);
  await expect(confirmed).resolves.toBeUndefined();
});

it.each(['n', '', 'no', 'yesterday'])('does nothing when it hears %j', async (answer) => {
  const { stdin, stderr } = people();
  const confirmed = confirm('remove 2 dead jobs of mails', false, { stdin, stderr });
  stdin.write(`${answer}\n`);
  await expect(confirmed).rejects.toThrow('nothing was done');
});

it('does nothing when nobody answers', async () => {
  const { stdin, stderr } = people();
  const confirmed = confirm('remove 2 dead jobs of mails', false, { stdin, stderr });
  stdin.end();
  await expect(confirmed).rejects.toThrow('nothing was done');
});

it('asks nobody where nobody is, or where the answer is known', async () => {
  await expect(confirm('remove', false, people(false))).rejects.toMatchObject({ name: 'UsageError' });
  await expect(confirm('remove', true, people(false))).resolves.toBeUndefined();
});
