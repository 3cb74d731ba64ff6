/** One row of the benchmark: the same work, done by us and by each peer, and the ratio we demand of ourselves. */

/** One way of doing the work. */
export interface Contender {
  /** The package, and what of it is used. */
  readonly name: string;
  /** Gets ready for one run; not measured. */
  prepare?(): Promise<void>;
  /** Does the whole work once; rejects if the work was not done. */
  run(): Promise<void>;
  /** Ends what `run` keeps between runs. */
  close?(): void;
}

/** What must hold for our figure. */
export type Demand =
  | {
      /** The fastest peer, or this one, must take at least `ratio` times as long as we do. */
      readonly against: 'fastest peer' | (string & {});
      readonly ratio: number;
    }
  | {
      /** We must do at least so many operations a second. */
      readonly perSecond: number;
    };

/** The same work done by several contenders; the first one is ours. */
export interface Case {
  readonly name: string;
  /** What is done, in words a reader can repeat it from. */
  readonly work: string;
  /** How many operations one run does. */
  readonly operations: number;
  readonly contenders: readonly [Contender, ...Contender[]];
  readonly demands: readonly Demand[];
}

/** Makes a case at a given size, so that growth can be measured with the same code. */
export type CaseAt = (operations: number) => Case;
