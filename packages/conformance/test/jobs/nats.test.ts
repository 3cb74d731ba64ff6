import { jobEngineSuite, natsServer, onServer } from '@holdfast/conformance';
import { nats } from '@holdfast/jobs-nats';
import { spoilNats } from './spoil.ts';

onServer(natsServer, (server) => {
  let places = 0;
  jobEngineSuite('nats:', {
    server,
    engine: nats,
    url: () => `${server.url}/test-${process.pid}-${(places += 1)}`,
    spoil: spoilNats,
    importedFrom: { specifier: '@holdfast/jobs-nats', name: 'nats' },
  });
});
