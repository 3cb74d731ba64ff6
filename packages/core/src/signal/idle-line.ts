/** Those who drain: they wait until something is empty and idle, and get a report either way. Waiting closes nothing. */
import type { DrainOptions, DrainReport } from '../component.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkDelayMs } from '../options/checks.ts';
import { WaitLine, Waiter } from './wait-line.ts';
import { checkCallOptions } from './work-context.ts';

const DRAINED: DrainReport = { drained: true, left: 0, leaked: [] };

/** What is drained says how much of its work is left. */
export type CountLeft = () => number;

/** What a drain reports when so much is left. */
export type ReportDrain = (left: number) => DrainReport;

const plainReport: ReportDrain = (left) => (left === 0 ? DRAINED : { drained: false, left, leaked: [] });

/** The drains that wait on one component. */
export class IdleLine {
  readonly #line: WaitLine<Drainer> = new WaitLine<Drainer>();
  readonly #left: CountLeft;
  readonly #report: ReportDrain;

  /** `left` counts what is not finished; 0 means idle. `report` may know of more that is lost or leaked. */
  constructor(left: CountLeft, report: ReportDrain = plainReport) {
    this.#left = left;
    this.#report = report;
  }

  /**
   * Resolves when nothing is left, or after `timeoutMs` with what is; 0 counts at once, without a timer. An abort rejects with
   * its reason.
   *
   * @throws TypeError, RangeError, TimeoutError of kind `deadline` (as rejections).
   */
  async drain(options: DrainOptions = {}): Promise<DrainReport> {
    checkCallOptions(options);
    const { signal, deadline, timeoutMs = Infinity } = options;
    checkDelayMs('timeoutMs', timeoutMs, true);
    signal?.throwIfAborted();
    const left = this.#left();
    if (left === 0 || timeoutMs === 0) return this.#report(left);
    if (deadline?.expired) throw new TimeoutError('Draining', 'deadline', 0);
    return new Promise((resolve, reject) => {
      this.#line.join(new Drainer(resolve, reject, () => this.#report(this.#left())), options, timeoutMs);
    });
  }

  /** Lets everybody go if nothing is left; to be called whenever something finished. */
  settle(): void {
    if (this.#line.size === 0 || this.#left() > 0) return;
    for (let waiter = this.#line.shift(); waiter !== undefined; waiter = this.#line.shift()) waiter.done();
  }
}

class Drainer extends Waiter {
  readonly giveUp: (error: unknown) => void;
  readonly #resolve: (report: DrainReport) => void;
  readonly #report: () => DrainReport;

  constructor(
    resolve: (report: DrainReport) => void,
    reject: (error: unknown) => void,
    report: () => DrainReport,
  ) {
    super();
    this.#resolve = resolve;
    this.giveUp = reject;
    this.#report = report;
  }

  done(): void {
    this.#resolve(this.#report());
  }

  late(): void {
    this.done();
  }
}
