import { mergeConfig, type ViteUserConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// threads and child processes run what is built, so it is built first where it is older than its sources; they are real, and
// take their time on a busy machine
const config: ViteUserConfig = mergeConfig(shared, {
  test: {
    globalSetup: ['test/build.ts'],
    testTimeout: 30_000,
    expect: { poll: { timeout: 15_000, interval: 10 } },
  },
});
export default config;
