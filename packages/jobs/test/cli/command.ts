/** Runs the real command as a process. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../dist/bin.js', import.meta.url));

/** How the command ended. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `holdfast-jobs`. */
export function holdfastJobs(
  args: readonly string[],
  { url, input = '' }: { readonly url?: string | undefined; readonly input?: string } = {},
): Promise<Ended> {
  const { HOLDFAST_JOBS_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--throw-deprecation', BIN, ...args], {
    env: url === undefined ? env : { ...env, HOLDFAST_JOBS_URL: url },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(input);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}
