import { chaosTest } from './chaos.ts';

chaosTest('sqlite');
