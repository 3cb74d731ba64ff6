import { smokeTest } from '../../relay/test/smoke.ts';

smokeTest('Hono', new URL('../dist/main.js', import.meta.url));
