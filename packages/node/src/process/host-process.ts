/** The process, as far as its life is concerned; tests put another in its place. */

/** Told of an event of the process. */
export type Handler = (...args: unknown[]) => void;

/** What is used of `process`. */
export interface HostProcess {
  readonly pid: number;
  readonly ppid?: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Present where a parent listens. */
  readonly channel?: object | null | undefined;
  exitCode?: number | string | null | undefined;
  on(event: string, handler: Handler): unknown;
  off(event: string, handler: Handler): unknown;
  kill(pid: number, signal: string): unknown;
  exit(code: number): unknown;
  /** What keeps the event loop alive, by kind. */
  getActiveResourcesInfo?(): readonly string[];
  emitWarning(warning: string, options: { readonly type: string }): unknown;
}
