import { mergeConfig, type ViteUserConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// child processes run what is built, so it is built first where it is older than its sources
const config: ViteUserConfig = mergeConfig(shared, {
  test: { globalSetup: ['test/build.ts'], testTimeout: 30_000 },
});
export default config;
