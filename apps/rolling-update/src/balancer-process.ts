/** The balancer, as the simulation sees it. */
import { TalkingProcess } from './talking-process.ts';

/** What it is told. */
export type BalancerOrder =
  | { readonly do: 'add'; readonly port: number }
  | { readonly do: 'remove'; readonly port: number; readonly delayMs: number }
  | { readonly do: 'count' };

/** What it says. */
export type BalancerWord =
  | { readonly is: 'listening'; readonly port: number }
  | { readonly is: 'added' | 'removed'; readonly port: number }
  | { readonly is: 'counted'; readonly refused: number };

type Said<I extends BalancerWord['is']> = Extract<BalancerWord, { readonly is: I }>;

/** A balancer that runs. */
export class Balancer {
  readonly port: number;
  readonly #process: TalkingProcess<BalancerOrder, BalancerWord>;

  private constructor(process: TalkingProcess<BalancerOrder, BalancerWord>, port: number) {
    this.#process = process;
    this.port = port;
  }

  /** Starts one that knows no replica. */
  static async start(): Promise<Balancer> {
    const process = new TalkingProcess<BalancerOrder, BalancerWord>('balancer');
    const { port } = await process.heard((word): word is Said<'listening'> => word.is === 'listening');
    return new Balancer(process, port);
  }

  /** Resolves when it sends connections to the replica, which is when that has said that it is ready. */
  async add(port: number): Promise<void> {
    const added = this.#process.heard(
      (word): word is Said<'added'> => word.is === 'added' && word.port === port,
    );
    this.#process.tell({ do: 'add', port });
    await added;
  }

  /** Resolves when it has learned, after `delayMs`, that the replica is gone. */
  async remove(port: number, delayMs: number): Promise<void> {
    const removed = this.#process.heard(
      (word): word is Said<'removed'> => word.is === 'removed' && word.port === port,
    );
    this.#process.tell({ do: 'remove', port, delayMs });
    await removed;
  }

  /** How many connections were refused by the replica that they were for. */
  async refused(): Promise<number> {
    const counted = this.#process.heard((word): word is Said<'counted'> => word.is === 'counted');
    this.#process.tell({ do: 'count' });
    return (await counted).refused;
  }

  end(): void {
    this.#process.end();
  }
}
