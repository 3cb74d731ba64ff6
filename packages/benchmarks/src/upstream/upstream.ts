/** Starts an upstream and asks it what it has seen. Each contender gets one of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Phase, Stretch } from './schedule.ts';

/** What the process is started with, as JSON in its first argument. */
export interface UpstreamOptions {
  readonly seed: number;
  readonly schedule: readonly Stretch[];
  /** How many requests are served at once. */
  readonly workers: number;
  /** Mean time that one takes, in milliseconds. */
  readonly serviceMs: number;
  /** How many wait for a worker; connections of those beyond are reset. */
  readonly backlog: number;
}

/** What the process has seen. */
export interface UpstreamCounts {
  /** Requests received, by phase. */
  readonly calls: Readonly<Record<Phase, number>>;
  /** Requests that came for a call before the `Retry-After` it had been given allowed. */
  readonly early: number;
  /** Most that stood in line. */
  readonly longestLine: number;
}

/** What every good answer says. */
export const BODY = 'fine';

/** An upstream that runs. */
export interface RunningUpstream extends AsyncDisposable {
  readonly url: string;
  /** Begins its schedule. */
  start(): void;
  counts(): Promise<UpstreamCounts>;
}

/** Built, also where this file is not: a process runs plain JavaScript. */
const program = fileURLToPath(new URL('../../dist/upstream/server.js', import.meta.url));

/** Starts one; it ends when it is disposed of, or with this process. */
export async function startUpstream(options: UpstreamOptions): Promise<RunningUpstream> {
  const child = fork(program, [JSON.stringify(options)], { execArgv: [] });
  const [port] = await once(child, 'message');
  return {
    url: `http://127.0.0.1:${port}/`,
    start: () => void child.send('start'),
    async counts() {
      child.send('counts');
      const [counts] = await once(child, 'message');
      return counts as UpstreamCounts;
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}
