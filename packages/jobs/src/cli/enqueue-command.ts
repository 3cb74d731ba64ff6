/** Hands in one job, by hand. */
import { text as readAll } from 'node:stream/consumers';
import type { EnqueueOptions } from '@holdfast/core';
import type { Answer, Command, Invocation } from './command.ts';
import { headers, json, wholeNumber } from './operands.ts';
import { printable } from './print.ts';
import { UsageError } from './usage-error.ts';

/** The command. */
export const enqueueCommand: Command = {
  name: 'enqueue',
  operands: '<queue> <json>',
  summary: 'enqueue a job; its payload is JSON, or - to read it from stdin',
  options: ['id', 'delay-ms', 'priority', 'max-retries', 'header'],
  creates: true,
  run,
};

async function run({ place, operands: [name = '', typed = ''], given }: Invocation): Promise<Answer> {
  const payload = json('the payload', typed === '-' ? await readAll(process.stdin) : typed);
  const { id, priority, header = [] } = given;
  const delay = given['delay-ms'];
  const retries = given['max-retries'];
  if (priority !== undefined && !isPriority(priority))
    throw new UsageError(`--priority must be high, normal or low, got ${priority}`);
  const options: EnqueueOptions = {
    id,
    priority,
    headers: headers(header),
    delayMs: delay === undefined ? undefined : wholeNumber('--delay-ms', delay, 0, 315_576_000_000),
    maxRetries: retries === undefined ? undefined : wholeNumber('--max-retries', retries, 0, 2_147_483_647),
  };
  await using queue = place.newQueue(name);
  const result = await queue.enqueue(payload, options);
  return {
    json: { queue: name, ...result },
    text: `${result.status} ${printable(result.id)} on ${printable(name)}`,
  };
}

function isPriority(typed: string): typed is 'high' | 'normal' | 'low' {
  return typed === 'high' || typed === 'normal' || typed === 'low';
}
