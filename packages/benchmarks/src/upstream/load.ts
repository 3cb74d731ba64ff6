/**
 * An open load: requests come at a fixed rate whatever becomes of those before, as users do. Time counts from when a request was
 * due, so a client that falls behind does not hide it.
 */

/** One request through a contender. Resolves with the body; anything else is a failure. */
export type Ask = (url: string, call: number) => Promise<string>;

/** What became of one request. */
export interface Answer {
  /** When it was due, in milliseconds from the start of the run. */
  readonly dueMs: number;
  /** How long it took from then until its caller knew. */
  readonly tookMs: number;
  readonly ok: boolean;
  /** Whether its caller still waited well after the deadline, by the order of timers and not by the clock of a busy machine. */
  readonly late: boolean;
}

/** How much is asked. */
export interface Load {
  readonly perSecond: number;
  readonly forMs: number;
  /** How long a caller waits. */
  readonly deadlineMs: number;
}

/** How much later than its deadline an answer counts as late. */
const TOLERANCE_MS = 100;

/** Asks `url` until the load is over and every request has an answer. */
export async function drive(ask: Ask, url: string, body: string, load: Load): Promise<readonly Answer[]> {
  const answers: Promise<Answer>[] = [];
  const startedAt = performance.now();
  const total = Math.floor((load.forMs * load.perSecond) / 1_000);
  const send = async (call: number): Promise<Answer> => {
    const dueMs = (call * 1_000) / load.perSecond;
    let late = false;
    const outcome = ask(url, call);
    const timer = setTimeout(() => (late = true), load.deadlineMs + TOLERANCE_MS);
    const ok = await outcome.then(
      (answer) => answer === body,
      () => false,
    );
    clearTimeout(timer);
    return { dueMs, tookMs: performance.now() - startedAt - dueMs, ok, late };
  };
  while (answers.length < total) {
    const due = Math.floor(((performance.now() - startedAt) * load.perSecond) / 1_000);
    while (answers.length <= due && answers.length < total) answers.push(send(answers.length));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return Promise.all(answers);
}
