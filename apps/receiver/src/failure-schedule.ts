/** When the receiver fails: by the number of the event and of the call, never by chance, so that a run can be repeated. */

/** How many of an event's first calls fail; events are numbered from 1, in the order in which they first arrive. */
export type FailureSchedule = (event: number) => number;

/** Reads `EVERY:CALLS,…` or `none`: of every EVERYth event the first CALLS calls fail. `undefined` where it is neither. */
export function failureSchedule(text: string): FailureSchedule | undefined {
  if (text === 'none') return () => 0;
  const rules: { readonly every: number; readonly calls: number }[] = [];
  for (const rule of text.split(',')) {
    const [, every, calls] = /^([1-9]\d{0,8}):(\d{1,9})$/.exec(rule.trim()) ?? [];
    if (every === undefined || calls === undefined) return undefined;
    rules.push({ every: Number(every), calls: Number(calls) });
  }
  return (event) =>
    Math.max(0, ...rules.filter(({ every }) => event % every === 0).map(({ calls }) => calls));
}
