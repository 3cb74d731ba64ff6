#!/usr/bin/env node
/** The command `holdfast-jobs`. */
import { runCommandLine } from './cli/command-line.ts';

// whoever reads the output may leave before its end, as `head` does
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
process.exitCode = await runCommandLine(process.argv.slice(2));
// all is said; a client that does not let go must not keep the command
setTimeout(() => process.exit(), 2_000).unref();
