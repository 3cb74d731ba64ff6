/**
 * A limit on how much runs at once, with a line: first come, first served. A slot that is freed goes to the one who has waited
 * longest in the same tick, so a newcomer never overtakes. The limit is true: `execute` holds its slot until the work and all it
 * gave up have settled. The trap: work that ignores its abort keeps others waiting.
 */
import {
  ADOPT,
  type Adoptable,
  type Component,
  type Door,
  type DrainOptions,
  type DrainReport,
  type Stats,
} from '../component.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkFunction, checkInteger, checkName, checkOptions } from '../options/checks.ts';
import { keepShape } from '../runtime.ts';
import type { Execution } from '../signal/execution.ts';
import { IdleLine } from '../signal/idle-line.ts';
import { WaitLine, checkWaitOptions, type WaitOptions } from '../signal/wait-line.ts';
import type { Work } from '../signal/work-context.ts';
import { Intake } from './intake.ts';
import { CallTurn, PermitTurn } from './turn.ts';

/** How a semaphore is made. */
export interface SemaphoreOptions {
  /** Names it in events, errors and statistics. @default 'semaphore' */
  readonly name?: string | undefined;
  /** How much may run at once: a whole number from 1 up, or `Infinity`. */
  readonly maxConcurrent: number;
}

const NO_OPTIONS: WaitOptions = {};

/**
 * Lets `maxConcurrent` calls run at once; the others wait in line for as long as their callers let them.
 *
 * @example
 * const semaphore = new Semaphore({ maxConcurrent: 10 });
 * const response = await semaphore.execute(({ signal }) => fetch(url, { signal }), { maxWaitMs: 500 });
 */
export class Semaphore implements Component, Adoptable, AsyncDisposable {
  readonly name: string;
  /** Longest wait of those who name none. */
  protected maxWaitMs: number = Infinity;
  /** Whether a slot is free as soon as its call is over, though the work may still run. */
  protected freeOnTimeout: boolean = false;
  readonly #line: WaitLine<CallTurn<unknown> | PermitTurn> = new WaitLine<CallTurn<unknown> | PermitTurn>();
  readonly #idle: IdleLine = new IdleLine(() => this.#inUse + this.#line.size);
  readonly #slots: Slots = { free: () => this.#free(), outlive: (execution) => this.#outlive(execution) };
  readonly #tooLate = (maxWaitMs: number): Error => this.tooLate(maxWaitMs);
  readonly #intake: Intake;
  #maxConcurrent: number;
  #inUse = 0;
  #zombies = 0;

  constructor(options: SemaphoreOptions) {
    checkOptions('options', options, ['name', 'maxConcurrent']);
    const { name = 'semaphore', maxConcurrent } = options;
    this.name = checkName('name', name);
    this.#intake = new Intake(name);
    this.#maxConcurrent = checkInteger('maxConcurrent', maxConcurrent, 1, true);
  }

  /** How many slots are taken, those of calls that were given up and still run among them. */
  get inUse(): number {
    return this.#inUse;
  }

  /** How many stand in line. */
  get waiting(): number {
    return this.#line.size;
  }

  /** How much may run at once. */
  get maxConcurrent(): number {
    return this.#maxConcurrent;
  }

  [ADOPT](door: Door): void {
    this.#intake.adopt(door);
  }

  /**
   * Waits for a slot; disposing of the permit frees it, the first time.
   *
   * @example
   * using permit = await semaphore.acquire({ signal });
   *
   * @throws TimeoutError of kind `wait` after `maxWaitMs`, of kind `deadline` when that passes first.
   * @throws QueueClosedError once closed; ShuttingDownError when the owning service shuts down.
   */
  acquire(options: WaitOptions = NO_OPTIONS): Promise<Disposable> {
    return new Promise((resolve, reject) => {
      const maxWaitMs = this.#admit(options);
      const turn = new PermitTurn(this.#tooLate, resolve, reject);
      if (this.#take()) turn.resolve(new Permit(this.#slots, this.observe()));
      else this.#wait(turn, options, maxWaitMs);
    });
  }

  /** A permit where a slot is free and nobody waits for it; `undefined` otherwise. */
  tryAcquire(): Disposable | undefined {
    if (this.#intake.refusal(NO_OPTIONS) !== undefined || !this.#take()) return undefined;
    return new Permit(this.#slots, this.observe());
  }

  /**
   * Runs `fn` once it has a slot. A caller who leaves while `fn` runs is let go at once; the slot stays taken until `fn` settles.
   *
   * @throws what `fn` throws, and what `acquire` throws.
   */
  execute<T>(fn: Work<T>, options: WaitOptions = NO_OPTIONS): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      checkFunction('fn', fn);
      const maxWaitMs = this.#admit(options);
      const turn = new CallTurn<T>(fn, options, this.#tooLate, resolve, reject);
      if (this.#take()) {
        void this.#serve(turn);
      } else {
        turn.keepContext();
        this.#wait(turn, options, maxWaitMs);
      }
    });
  }

  /** Changes the limit. More slots go to those who wait at once; fewer take nobody's away. */
  setLimit(maxConcurrent: number): void {
    this.#maxConcurrent = checkInteger('maxConcurrent', maxConcurrent, 1, true);
    while (this.#line.size > 0 && this.#inUse < this.#maxConcurrent) {
      this.#inUse += 1;
      this.#free();
    }
  }

  /** Takes on nobody new; those who have a slot or wait for one are served. */
  close(): void {
    this.#intake.close();
  }

  /** Waits until no slot is taken and nobody waits. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }

  /** Turns away all who wait, with `reason`. Who has a slot keeps it. */
  cancel(reason: unknown = new DOMException(`The line of "${this.name}" was cancelled`, 'AbortError')): void {
    for (let turn = this.#line.shift(); turn !== undefined; turn = this.#line.shift()) turn.giveUp(reason);
  }

  stats(): Stats {
    return {
      maxConcurrent: this.#maxConcurrent,
      inUse: this.#inUse,
      waiting: this.#line.size,
      zombies: this.#zombies,
    };
  }

  /** Closes, and waits until all are served. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.drain();
  }

  /** Asked before somebody joins the line of `waiting`; an error turns him away. */
  protected full(_waiting: number): Error | undefined {
    return undefined;
  }

  /** Who is told what became of the permit that is being given. */
  protected observe(): SlotObserver | undefined {
    return undefined;
  }

  /** The error of one who has waited for `maxWaitMs`. */
  protected tooLate(maxWaitMs: number): Error {
    return new TimeoutError(`Waiting for "${this.name}"`, 'wait', maxWaitMs);
  }

  /** Throws for those who may not even wait; returns how long the others may. */
  #admit(options: WaitOptions): number {
    if (options === NO_OPTIONS && this.#intake.open) return this.maxWaitMs;
    checkWaitOptions(options);
    const { signal, deadline, maxWaitMs = this.maxWaitMs } = options;
    signal?.throwIfAborted();
    if (deadline?.expired) throw new TimeoutError(`Waiting for "${this.name}"`, 'deadline', 0);
    const refusal = this.#intake.refusal(options);
    if (refusal !== undefined) throw refusal;
    return maxWaitMs;
  }

  #take(): boolean {
    if (this.#inUse >= this.#maxConcurrent) return false;
    this.#inUse += 1;
    return true;
  }

  #wait(turn: CallTurn<unknown> | PermitTurn, options: WaitOptions, maxWaitMs: number): void {
    const full = this.full(this.#line.size) ?? (maxWaitMs === 0 ? this.tooLate(0) : undefined);
    if (full === undefined) this.#line.join(turn, options, maxWaitMs);
    else turn.reject(full);
  }

  /** Serves `turn`, and with the same slot the calls after it. */
  async #serve(turn: CallTurn<unknown>): Promise<void> {
    for (let next: CallTurn<unknown> | undefined = turn; next !== undefined;) {
      try {
        next.resolve(await next.run());
      } catch (error) {
        next.reject(error);
      }
      const outlived = next.end();
      if (outlived !== undefined) return this.#outlive(outlived);
      next = this.#handOn();
    }
  }

  /** The call is over, and what it gave up is not. */
  #outlive(execution: Execution): void {
    this.#zombies += 1;
    if (this.freeOnTimeout) this.#free();
    execution.whenSettled(() => {
      this.#zombies -= 1;
      if (!this.freeOnTimeout) this.#free();
    });
  }

  /** Frees one slot, for the one who has waited longest if there is one. */
  #free(): void {
    const next = this.#handOn();
    if (next !== undefined) void this.#serve(next);
  }

  /** Hands a slot on: to a caller at once; a call is returned, to be served. With nobody to have it, it is free. */
  #handOn(): CallTurn<unknown> | undefined {
    const turn = this.#inUse > this.#maxConcurrent ? undefined : this.#line.shift();
    if (turn instanceof CallTurn) return turn;
    if (turn !== undefined) {
      turn.resolve(new Permit(this.#slots, this.observe()));
      return undefined;
    }
    this.#inUse -= 1;
    this.#idle.settle();
    return undefined;
  }
}

/** What a permit asks of its semaphore. */
interface Slots {
  readonly free: () => void;
  readonly outlive: (execution: Execution) => void;
}

/** What became of the work that had a slot; `undefined` where that says nothing of the callee. */
export type SlotOutcome = 'success' | { readonly error: unknown } | undefined;

/** One who learns from outcomes. */
export interface SlotObserver {
  settled(outcome: SlotOutcome): void;
}

class Permit implements Disposable {
  readonly #observer: SlotObserver | undefined;
  #slots: Slots | undefined;

  constructor(slots: Slots, observer: SlotObserver | undefined) {
    this.#slots = slots;
    this.#observer = observer;
  }

  [Symbol.dispose](): void {
    this.#end()?.free();
  }

  leave(execution: Execution, outcome: SlotOutcome): void {
    const slots = this.#end();
    if (slots === undefined) return;
    this.#observer?.settled(outcome);
    if (execution.abandoned === 0) slots.free();
    else slots.outlive(execution);
  }

  #end(): Slots | undefined {
    const slots = this.#slots;
    this.#slots = undefined;
    return slots;
  }
}

/** Gives a permit back when all that `execution` has given up is over, as `execute` does. For guards that bring their own calls. */
export function giveBack(permit: Disposable, execution: Execution, outcome: SlotOutcome): void {
  if (permit instanceof Permit) permit.leave(execution, outcome);
  else permit[Symbol.dispose]();
}

keepShape(new Semaphore({ maxConcurrent: 1 }));
keepShape(new Permit({ free: () => {}, outlive: () => {} }, undefined));
