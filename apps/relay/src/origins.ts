/** Which subscribers the relay may post to. A relay posts where it is told, so that in production the list should be short. */

/** Whether a URL may be called. */
export type OriginFilter = (url: URL) => boolean;

/** Reads `any` or a list of origins separated by commas; `undefined` where it is neither. */
export function origins(text: string): OriginFilter | undefined {
  if (text === 'any') return () => true;
  const allowed = new Set<string>();
  for (const entry of text.split(',')) {
    const origin = entry.trim();
    if (!URL.canParse(origin)) return undefined;
    const url = new URL(origin);
    // an entry with a path would promise a check that is not made
    if (!/^https?:$/.test(url.protocol) || `${url.origin}/` !== url.href) return undefined;
    allowed.add(url.origin);
  }
  return ({ origin }) => allowed.has(origin);
}
