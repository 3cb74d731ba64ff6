/** The engine on the oldest BullMQ it is made for, for processes of their own. */
import { engineOf } from '../../../jobs-bullmq/dist/bullmq-engine.js';

export const bullmq5 = engineOf(() => import('bullmq-5'));
