/** What a replica is told when it starts: one argument, in JSON. */
import type { ServerName, StrategyName } from '../strategies.ts';

/** How one replica serves, and how it ends. */
export interface ReplicaSettings {
  readonly server: ServerName;
  readonly strategy: StrategyName;
  /** The file in which it notes every item it has processed. */
  readonly ledger: string;
  /** How long it serves on after SIGTERM, where its strategy has a name for that. */
  readonly lameDuckMs: number;
  /** How long its whole shutdown may take, where its strategy has a name for that; a little less than until SIGKILL. */
  readonly limitMs: number;
}
