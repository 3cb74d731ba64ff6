import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// a run starts and kills processes: mostly it waits, and its limit is a last resort against a hang
const config: ViteUserConfig = mergeConfig(
  shared,
  defineConfig({ test: { testTimeout: 120_000, hookTimeout: 60_000, maxWorkers: 2 } }),
);

export default config;
