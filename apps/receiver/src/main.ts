/** A subscriber that fails on a schedule and counts what it got, as a program. */
import { createServer } from 'node:http';
import { Service } from '@holdfast/core';
import { drainServer, runMain } from '@holdfast/node';
import { readEnvironment, type ReceiverConfig } from './environment.ts';
import { receiver } from './receiver.ts';

const config = configuration();
if (config === undefined) process.exit(2);

const service = new Service({ name: 'receiver' });
const server = createServer(receiver(config));
drainServer(service, server);
service.own({
  name: 'port',
  open: () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(config.port, config.host, () => {
        const address = server.address();
        const port = typeof address === 'object' && address !== null ? address.port : config.port;
        console.log(`listening on http://${config.host}:${port}`);
        resolve();
      });
    }),
});
await runMain(service);

/** What the environment says; undefined, with one line that says why, where that is bad. */
function configuration(): ReceiverConfig | undefined {
  try {
    return readEnvironment(process.env);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return undefined;
  }
}
