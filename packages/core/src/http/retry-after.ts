/** The `Retry-After` header of RFC 9110: seconds, or a date. */

/** The oldest of the three forms of a date that have to be understood; it names no zone and means GMT. */
const ASCTIME = /^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/;

/** Milliseconds that the header asks to wait: 0 where its date has passed, `undefined` where it is absent or not well-formed. */
export function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,10}$/.test(value)) return Number(value) * 1_000;
  const at = Date.parse(ASCTIME.test(value) ? `${value} GMT` : value.endsWith(' GMT') ? value : '');
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
