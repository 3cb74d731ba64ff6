import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// a simulation starts and ends processes: mostly it waits, and its limit is a last resort against a hang
const config: ViteUserConfig = mergeConfig(
  shared,
  defineConfig({ test: { testTimeout: 60_000, maxConcurrency: 2 } }),
);

export default config;
