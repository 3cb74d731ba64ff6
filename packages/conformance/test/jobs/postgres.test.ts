import { jobEngineSuite, onServer, postgresServer } from '@holdfast/conformance';
import { bullmq } from '@holdfast/jobs-bullmq';

onServer(postgresServer, (server) => {
  let places = 0;
  jobEngineSuite('postgres:', {
    server,
    engine: bullmq,
    url: () => `${server.url}?schema=test_${process.pid}_${(places += 1)}`,
    importedFrom: { specifier: '@holdfast/jobs-bullmq', name: 'bullmq' },
  });
});
