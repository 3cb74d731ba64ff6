/** What an operator should know, and no caller can act on. */

/** Warns by the process. */
export function warn(text: string): void {
  process.emitWarning(text, { type: 'HoldfastWarning', code: 'UNSAFE_ENGINE' });
}
