/** The clients, as the simulation sees them. */
import { TalkingProcess } from './talking-process.ts';

/** How many there are, and the port of the balancer. */
export interface ClientsSettings {
  readonly port: number;
  readonly clients: number;
}

/** An item that was not accepted: the status of the answer, or how the connection failed. */
export interface Failure {
  readonly id: string;
  readonly kind: string;
}

/** What they are told. */
export interface ClientsOrder {
  readonly do: 'stop';
}

/** What they say at their end. */
export interface ClientsWord {
  readonly is: 'done';
  readonly requests: number;
  readonly accepted: readonly string[];
  readonly failures: readonly Failure[];
}

/** Clients that post items until they are told to stop. */
export class Clients {
  readonly #process: TalkingProcess<ClientsOrder, ClientsWord>;

  constructor(settings: ClientsSettings) {
    this.#process = new TalkingProcess<ClientsOrder, ClientsWord>('clients', [JSON.stringify(settings)]);
  }

  /** Lets each finish the request it has, and gives all that they saw. */
  async stop(): Promise<ClientsWord> {
    const done = this.#process.heard((word): word is ClientsWord => word.is === 'done');
    this.#process.tell({ do: 'stop' });
    return done;
  }

  end(): void {
    this.#process.end();
  }
}
