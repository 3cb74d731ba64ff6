import { smokeTest } from '../../relay/test/smoke.ts';

smokeTest('Express', new URL('../dist/main.js', import.meta.url));
