/** The relay on Express, as a program. */
import { listen } from '@holdfast/express';
import { Relay, runRelay } from '@holdfast-app/relay';
import { relayApp } from './app.ts';

await runRelay((config) => {
  const relay = new Relay(config);
  return listen(relayApp(relay), { service: relay.service, host: config.host, port: config.port });
});
