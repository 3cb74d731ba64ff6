import { chaosTest } from './chaos.ts';

chaosTest('postgres');
