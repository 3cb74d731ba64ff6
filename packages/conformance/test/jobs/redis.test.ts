import { jobEngineSuite, onServer, redisServer } from '@holdfast/conformance';
import { bullmq } from '@holdfast/jobs-bullmq';
import { spoilRedis } from './spoil.ts';

onServer(redisServer, (server) => {
  let places = 0;
  jobEngineSuite('redis:', {
    server,
    engine: bullmq,
    url: () => `${server.url}?prefix=test-${process.pid}-${(places += 1)}`,
    spoil: spoilRedis,
    importedFrom: { specifier: '@holdfast/jobs-bullmq', name: 'bullmq' },
  });
});
