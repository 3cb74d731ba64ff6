/**
 * One rolling update: two replicas behind a balancer, clients, and restart after restart. As in a Deployment that may have one pod
 * too many and none too few, a new replica is started first; once it gets connections an old one gets SIGTERM, and the next
 * restart waits until the balancer has learned of that, not until the old replica has ended.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Balancer } from './balancer-process.ts';
import { Clients } from './clients-process.ts';
import { Replica, type Ending } from './replica-process.ts';
import { tally, type Result } from './result.ts';
import type { ServerName, StrategyName } from './strategies.ts';

/** What is simulated. */
export interface Scenario {
  readonly server: ServerName;
  readonly strategy: StrategyName;
  readonly restarts: number;
  readonly clients: number;
  /** How long after SIGTERM the balancer learns of it. */
  readonly learnsAfterMs: number;
  /** How long a replica serves on, where its strategy has a name for that. */
  readonly lameDuckMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
}

/** How much sooner than SIGKILL a shutdown with a limit of its own gives up. */
const RESERVE_MS = 500;

/** Runs one. */
export async function simulate(scenario: Scenario): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'rolling-update-'));
  const update = new RollingUpdate(scenario, join(directory, 'ledger'));
  try {
    return await update.run();
  } finally {
    update.end();
    await rm(directory, { recursive: true, force: true });
  }
}

/** A replica that gets connections, and its port. */
interface Serving {
  readonly replica: Replica;
  readonly port: number;
}

class RollingUpdate {
  readonly #scenario: Scenario;
  readonly #ledger: string;
  /** Every process there was. */
  readonly #processes: { end(): void }[] = [];
  /** The replicas that have not been told to end, the oldest first. */
  readonly #serving: Serving[] = [];
  readonly #endings: Promise<Ending>[] = [];

  constructor(scenario: Scenario, ledger: string) {
    this.#scenario = scenario;
    this.#ledger = ledger;
  }

  async run(): Promise<Result> {
    const { restarts, clients: count } = this.#scenario;
    const balancer = this.#started(await Balancer.start());
    await Promise.all([this.#deploy(balancer), this.#deploy(balancer)]);
    const clients = this.#started(new Clients({ port: balancer.port, clients: count }));

    let learned: Promise<void> | undefined;
    for (let restart = 0; restart < restarts; restart += 1) {
      await Promise.all([this.#deploy(balancer), learned]);
      learned = this.#retire(balancer);
    }
    await learned;
    const endings = await Promise.all(this.#endings);

    const seen = await clients.stop();
    // nobody asks them any more: they only finish what they accepted
    await Promise.all(this.#serving.map(({ replica }) => replica.stop(this.#scenario.graceMs)));
    const processed = (await readFile(this.#ledger, 'utf8')).split('\n').slice(0, -1);
    return tally({ seen, refused: await balancer.refused(), processed, endings });
  }

  /** Ends whatever still runs. */
  end(): void {
    for (const process of this.#processes) process.end();
  }

  /** Starts a replica, and has the balancer know it. */
  async #deploy(balancer: Balancer): Promise<void> {
    const { server, strategy, lameDuckMs, graceMs } = this.#scenario;
    const limitMs = graceMs - RESERVE_MS;
    const replica = this.#started(
      new Replica({ server, strategy, ledger: this.#ledger, lameDuckMs, limitMs }),
    );
    const port = await replica.listening();
    await balancer.add(port);
    this.#serving.push({ replica, port });
  }

  /** Tells the oldest replica to end; resolves when the balancer has learned of it. */
  #retire(balancer: Balancer): Promise<void> {
    const oldest = this.#serving.shift();
    if (oldest === undefined) throw new Error('there is always a replica');
    this.#endings.push(oldest.replica.stop(this.#scenario.graceMs));
    return balancer.remove(oldest.port, this.#scenario.learnsAfterMs);
  }

  #started<P extends { end(): void }>(process: P): P {
    this.#processes.push(process);
    return process;
  }
}
