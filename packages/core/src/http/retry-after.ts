/** The `Retry-After` header of RFC 9110: seconds, or a date. */

/** Milliseconds that the header asks to wait: 0 where its date has passed, `undefined` where it is absent or not well-formed. */
export function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,10}$/.test(value)) return Number(value) * 1_000;
  const at = value.endsWith(' GMT') ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
