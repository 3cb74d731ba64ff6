/** What the figures were found on: without it they mean little. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const compared = [
  '@godaddy/terminus',
  'close-with-grace',
  '@nestjs/core',
  'express',
  'hono',
  '@hono/node-server',
  'p-queue',
];

/** The runtime, the machine, and the versions of what was compared, in a sentence. */
export function where(): string {
  const versions = compared.map((name) => `${name} ${versionOf(name)}`).join(', ');
  return `Node ${process.versions.node} on ${availableParallelism()} cores; ${versions}.`;
}

function versionOf(name: string): string {
  const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string }).version;
}
