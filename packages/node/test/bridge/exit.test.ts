import { expect, it } from 'vitest';
import { Child } from '../child.ts';

it.each([
  ['after dispose', 'dispose', ['3']],
  ['with idle threads that nobody disposed', 'nothing', ['3']],
  ['after a call whose caller left and that never ends', 'abandon', ['3', 'TimeoutError']],
])('a process ends by itself %s', async (_, how, lines) => {
  expect(await new Child('bridge-exit.mjs', [how]).ended).toMatchObject({ code: 0, lines, errors: '' });
});

it('a process does not end while a call runs', async () => {
  expect(await new Child('bridge-exit.mjs', ['await']).ended).toMatchObject({ code: 0, lines: ['3', '7'] });
});
