/** The command line is wrong; nothing was asked of any engine. */

/** What ends the command with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
