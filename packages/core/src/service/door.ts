/**
 * The door of a service: open while it runs, open to tracked work alone from the intake phase on, shut from the cancel phase on.
 * The signals of the phases belong to it, since they say the same thing to those who wait for it.
 */
import type { Door, ShutdownPhase } from '../component.ts';
import { ShuttingDownError } from '../errors/lifecycle-errors.ts';
import { executionOf } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import type { CallOptions } from '../signal/work-context.ts';
import { PHASES } from './phases.ts';

/** Lets work in, or refuses it. */
export class ServiceDoor implements Door {
  readonly owner: object;
  readonly #service: string;
  readonly #begun: Record<ShutdownPhase, LazyAbort> = {
    'lame-duck': new LazyAbort(),
    intake: new LazyAbort(),
    drain: new LazyAbort(),
    cancel: new LazyAbort(),
    close: new LazyAbort(),
    flush: new LazyAbort(),
  };
  #passed = 0;
  #reason: ShuttingDownError | undefined;

  constructor(owner: object, service: string) {
    this.owner = owner;
    this.#service = service;
  }

  /** How often tracked work has passed the closed door: while this grows, what was found idle may have work again. */
  get passed(): number {
    return this.#passed;
  }

  refusal(options: CallOptions | undefined): ShuttingDownError | undefined {
    if (!this.#begun.intake.aborted) return undefined;
    if (!this.#begun.cancel.aborted && executionOf(options)?.isOwnedBy(this.owner)) {
      this.#passed += 1;
      return undefined;
    }
    return new ShuttingDownError(this.#service);
  }

  /** With what everything is aborted that belongs to the service. */
  get reason(): ShuttingDownError {
    return (this.#reason ??= new ShuttingDownError(this.#service));
  }

  signalAt(phase: ShutdownPhase): AbortSignal {
    return this.#begun[phase].signal;
  }

  /** Begins `phase`, and with it every phase before. */
  begin(phase: ShutdownPhase): void {
    for (const one of PHASES) {
      this.#begun[one].abort(this.reason);
      if (one === phase) return;
    }
  }
}
