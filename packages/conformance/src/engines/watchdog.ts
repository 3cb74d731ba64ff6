/**
 * Ends a server whose test process has gone, however it went. A shell waits for the end of its input, which the kernel closes with
 * the test process; then it kills the server that it was told of last, and removes the data.
 */
import { spawn } from 'node:child_process';

/** A watch over one server and its folder. */
export interface Watchdog {
  /** The server that is to end; `undefined` while there is none. */
  watch(pid: number | undefined): void;
  /** Ends the watch, the server that was named last, and the folder. */
  [Symbol.asyncDispose](): Promise<void>;
}

const SCRIPT = `
trap '' INT TERM HUP
while read -r line; do pid=$line; done
if [ "$pid" != none ]; then kill -KILL "$pid" 2>/dev/null; sleep 0.2; fi
rm -rf "$1"
`;

/** Starts a watch over whatever uses `folder`. */
export function startWatchdog(folder: string): Watchdog {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'watchdog', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  const ended = new Promise<void>((resolve) => shell.once('close', () => resolve()));
  const watch = (pid: number | undefined): void => void shell.stdin.write(`${pid ?? 'none'}\n`);
  watch(undefined);
  return {
    watch,
    [Symbol.asyncDispose]: async () => {
      shell.stdin.end();
      await ended;
    },
  };
}
