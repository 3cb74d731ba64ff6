import { jobEngineSuite, onServer, redisServer } from '@holdfast/conformance';
import { engineOf } from '../../../jobs-bullmq/src/bullmq-engine.ts';
import { spoilRedis } from './spoil.ts';

onServer(redisServer, (server) => {
  let places = 0;
  jobEngineSuite('redis: on BullMQ 5', {
    server,
    engine: engineOf(() => import('bullmq-5')),
    url: () => `${server.url}?prefix=test5-${process.pid}-${(places += 1)}`,
    spoil: spoilRedis,
    importedFrom: { specifier: new URL('bullmq-5.mjs', import.meta.url).href, name: 'bullmq5' },
  });
});
