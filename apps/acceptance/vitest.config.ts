import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// a test here starts, uses and ends processes: mostly it waits, and its limit is a last resort against a hang
const config: ViteUserConfig = mergeConfig(
  shared,
  defineConfig({ test: { testTimeout: 60_000, hookTimeout: 30_000, maxWorkers: 3 } }),
);

export default config;
