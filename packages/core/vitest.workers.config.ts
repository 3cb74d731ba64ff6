/**
 * The tests of core inside workerd, without those that open sockets of their own: `vitest run --config vitest.workers.config.ts`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cloudflareTest } from '@cloudflare/vitest-pool-workers';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const tests = new URL('./test/', import.meta.url);

/** Whether a test file needs a server of Node. */
function needsServer(name: string): boolean {
  return (
    name.endsWith('.test.ts') && /from 'node:(http|net)'/.test(readFileSync(new URL(name, tests), 'utf8'))
  );
}

const compatibility = { compatibilityDate: '2026-04-01', compatibilityFlags: ['nodejs_compat'] };

const config: ViteUserConfig = defineConfig({
  plugins: [cloudflareTest({ miniflare: compatibility })],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: readdirSync(fileURLToPath(tests), { recursive: true, encoding: 'utf8' })
      .filter(needsServer)
      .map((name) => `test/${name}`),
  },
});

export default config;
