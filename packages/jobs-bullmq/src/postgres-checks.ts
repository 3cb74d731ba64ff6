/** Whether a PostgreSQL and this host agree on the time: leases are kept by the clocks of workers there. */
import { UnsafeEngineError } from '@holdfast/core';
import { warn } from './warn.ts';

/** How far the clocks may be apart, in milliseconds. */
const MAX_SKEW_MS = 5_000;

/** What is asked. */
export interface Questions {
  query(sql: string): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>;
}

/**
 * Compares the clocks.
 *
 * @throws UnsafeEngineError (as a rejection) unless `allowUnsafe`.
 */
export async function checkClock(client: Questions, allowUnsafe: boolean): Promise<void> {
  const before = Date.now();
  const { rows } = await client.query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now');
  const after = Date.now();
  const now = Number(rows[0]?.['now']);
  // what the answer took on its way counts for neither side
  const skewMs = Math.max(0, before - now, now - after);
  if (skewMs <= MAX_SKEW_MS) return;
  const text = `The clocks of this host and of PostgreSQL are ${Math.round(skewMs)} ms apart; leases would be stolen`;
  if (!allowUnsafe) throw new UnsafeEngineError(text);
  warn(text);
}
