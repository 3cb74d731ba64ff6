/**
 * `npm start`: sets the checkout up where needed, builds, and runs a relay, a receiver that fails on a schedule, and a trickle of
 * events from the one to the other. Ctrl-C reaches the whole process group; the apps lead groups of their own, so that they end
 * in order: the traffic first, then the relay when it has drained, then the receiver.
 */
import { parseArgs } from 'node:util';
import { bootstrap } from './bootstrap.mjs';
import { run } from './command.mjs';
import { DemoApp } from './demo-app.mjs';
import { root } from './workspaces.mjs';

const frameworks = ['express', 'nestjs', 'hono'];

const framework = chosenFramework();
if (framework === undefined) process.exit(2);
bootstrap();
await build();

const receiver = new DemoApp('receiver', 'apps/receiver/dist/main.js', { PORT: '0' });
const relay = new DemoApp('relay', `apps/relay-${framework}/dist/main.js`);
/** @type {DemoApp | undefined} */
let traffic;
let stopping = false;

process.on('SIGINT', stop);
process.on('SIGTERM', stop);
for (const app of [receiver, relay]) void app.ended.then(stop);

const [relayUrl, receiverUrl] = await Promise.all([relay.url, receiver.url]);
if (relayUrl !== undefined && receiverUrl !== undefined && !stopping) {
  traffic = new DemoApp('traffic', 'apps/relay/dist/traffic.js', {
    RELAY_URL: relayUrl,
    SUBSCRIBER_URL: `${receiverUrl}/hook`,
  });
  introduce(relayUrl, receiverUrl);
}

async function stop() {
  if (stopping) {
    void relay.stop(); // asked again: hurry
    return;
  }
  stopping = true;
  await traffic?.stop();
  const code = await relay.stop();
  await receiver.stop();
  process.exit(code);
}

async function build() {
  console.log(`building the relay for ${framework}`);
  const { status, output } = await run(
    `turbo run build --filter=@holdfast-app/relay-${framework} --filter=@holdfast-app/receiver`,
    root,
  );
  if (status === 0) return;
  console.error(output);
  process.exit(1);
}

/** The value of `--framework`; undefined, with one line that says why, where it is none that there is. */
function chosenFramework() {
  let chosen;
  try {
    chosen = parseArgs({ options: { framework: { type: 'string', default: 'express' } } }).values.framework;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return undefined;
  }
  if (frameworks.includes(chosen)) return chosen;
  console.error(`--framework must be one of ${frameworks.join(', ')}, got ${JSON.stringify(chosen)}`);
  return undefined;
}

/**
 * @param {string} relayUrl
 * @param {string} receiverUrl
 */
function introduce(relayUrl, receiverUrl) {
  const event = JSON.stringify({ url: `${receiverUrl}/hook`, payload: { hello: 'world' } });
  console.log(`
open   ${relayUrl}/stats      events, queue, circuits and pools in figures
       ${relayUrl}/readyz     health
       ${relayUrl}/metrics    Prometheus text
       ${receiverUrl}/received   what the receiver got

curl   curl -i '${relayUrl}/events?wait=delivered' -H 'content-type: application/json' -d '${event}'
       curl -i '${relayUrl}/probe?url=${encodeURIComponent(`${receiverUrl}/received`)}'
       curl -i '${relayUrl}/digests' -H 'content-type: application/json' -d '{"text":"secret"}'

Ctrl-C stops the traffic, drains the relay and shows its report.
`);
}
