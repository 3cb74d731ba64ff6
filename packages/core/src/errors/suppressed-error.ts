/** Two failures of which the second came while the first was being dealt with; neither is lost. */

/** What `SuppressedError` has: `error` is the newer failure, `suppressed` the older. */
class OwnSuppressedError extends Error {
  override readonly name = 'SuppressedError';
  readonly error: unknown;
  readonly suppressed: unknown;

  constructor(error: unknown, suppressed: unknown, message: string) {
    super(message);
    this.error = error;
    this.suppressed = suppressed;
  }
}

/** A SuppressedError, the runtime's own where it has one (Node from 24). */
export function suppressedError(error: unknown, suppressed: unknown, message: string): Error {
  const Native = Reflect.get(globalThis, 'SuppressedError') as typeof SuppressedError | undefined;
  return new (Native ?? OwnSuppressedError)(error, suppressed, message);
}
