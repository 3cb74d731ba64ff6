import { mergeConfig, type ViteUserConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

// the upstream of the simulation is a process of its own and runs what is built, so it is built first where it is older than
// its sources
const config: ViteUserConfig = mergeConfig(shared, { test: { globalSetup: ['test/build.ts'] } });
export default config;
