/** Runs one shell command of the toolchain and keeps what it said, so that a gate can show it only when it is red. */
import { spawn } from 'node:child_process';
import { toolEnv } from './bootstrap.mjs';

/**
 * Resolves when the command has ended; a command that could not start has status 1 and the reason as its output.
 * @param {string} command
 * @param {string} cwd
 * @returns {Promise<{ status: number, output: string }>}
 */
export function run(command, cwd) {
  return new Promise((resolve) => {
    const child = spawn(command, { cwd, env: toolEnv, shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
    child.once('error', (error) => resolve({ status: 1, output: String(error) }));
    child.once('close', (status) => resolve({ status: status ?? 1, output }));
  });
}
