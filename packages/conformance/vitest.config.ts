import { mergeConfig, type ViteUserConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// worker processes run what is built, so it is built first where it is older than its sources
const config: ViteUserConfig = mergeConfig(shared, { test: { globalSetup: ['test/build.ts'] } });
export default config;
