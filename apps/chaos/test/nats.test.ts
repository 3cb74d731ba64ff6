import { chaosTest } from './chaos.ts';

chaosTest('nats');
