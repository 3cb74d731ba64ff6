/** One contender against an upstream of its own. */
import { DEADLINE_MS, type Contender } from './contenders.ts';
import { figuresOf, type Figures } from './figures.ts';
import { drive } from './load.ts';
import { scheduleOf, type Lengths } from './schedule.ts';
import { BODY, startUpstream } from './upstream.ts';

/** What is the same for all contenders. */
export interface Plan {
  readonly seed: number;
  readonly lengths: Lengths;
  readonly perSecond: number;
  readonly workers: number;
  readonly serviceMs: number;
  readonly backlog: number;
}

/** Drives the whole schedule through `contender` and waits until every request has an answer. */
export async function run({ name, make }: Contender, plan: Plan): Promise<Figures> {
  const { seed, lengths, perSecond, workers, serviceMs, backlog } = plan;
  const schedule = scheduleOf(seed, lengths);
  await using upstream = await startUpstream({ seed, schedule, workers, serviceMs, backlog });
  const ask = make();
  upstream.start();
  const answers = await drive(ask, upstream.url, BODY, {
    perSecond,
    forMs: schedule.at(-1)?.toMs ?? 0,
    deadlineMs: DEADLINE_MS,
  });
  return figuresOf(name, answers, await upstream.counts(), schedule, DEADLINE_MS);
}
