/**
 * Vitest options that every workspace shares: siblings are read from source by the private export condition, an unhandled
 * rejection ends the process, and a process warning fails the test it came from (vitest.setup.ts).
 */
import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const conditions: string[] = ['@holdfast/source', 'module', 'node', 'development|production'];

export const shared: ViteUserConfig = defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['@holdfast/source', 'node'] } },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: '100%',
    execArgv: ['--unhandled-rejections=strict', '--trace-warnings'],
    setupFiles: [fileURLToPath(new URL('./vitest.setup.ts', import.meta.url))],
    passWithNoTests: true,
  },
});
