import { jobEngineSuite, onServer, postgresServer } from '@holdfast/conformance';
import { bullmq } from '@holdfast/jobs-bullmq';
import { spoilPostgres } from './spoil.ts';

onServer(postgresServer, (server) => {
  let places = 0;
  jobEngineSuite('postgres:', {
    server,
    engine: bullmq,
    url: () => `${server.url}?schema=test_${process.pid}_${(places += 1)}`,
    spoil: spoilPostgres,
    importedFrom: { specifier: '@holdfast/jobs-bullmq', name: 'bullmq' },
  });
});
