import { chaosTest } from './chaos.ts';

chaosTest('redis');
