/** The loops of one queue: who they are, what they have in hand, and which of them ended by an error. A new loop mends that. */
import type { ComponentHealth } from '../component.ts';
import type { Loop, LoopFault, LoopKind } from './queue-loop.ts';

/** Consumers and producers of one queue. */
export class Loops {
  readonly #loops: Set<Loop> = new Set<Loop>();
  readonly #faults: Map<LoopKind, LoopFault> = new Map<LoopKind, LoopFault>();
  #consumers = 0;

  /** How many consumers there are. */
  get consumers(): number {
    return this.#consumers;
  }

  /** Those of a kind. */
  of(kind: LoopKind): readonly Loop[] {
    return [...this.#loops].filter((loop) => loop.kind === kind);
  }

  /** How many items consumers have in hand. */
  get inFlight(): number {
    return this.of('consumer').reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  /** How many items a drain waits for. */
  get unfinished(): number {
    let sum = 0;
    for (const loop of this.#loops) sum += loop.unfinished;
    return sum;
  }

  /** Names of those that a drain waits for. */
  get busy(): readonly string[] {
    return [...this.#loops].filter(({ unfinished }) => unfinished > 0).map(({ name }) => name);
  }

  joined(loop: Loop): void {
    this.#faults.delete(loop.kind);
    this.#loops.add(loop);
    if (loop.kind === 'consumer') this.#consumers += 1;
  }

  left(loop: Loop, fault: LoopFault | undefined): void {
    this.#loops.delete(loop);
    if (loop.kind === 'consumer') this.#consumers -= 1;
    if (fault !== undefined) this.#faults.set(loop.kind, fault);
  }

  /** Those of a kind take no more. */
  halt(kind: LoopKind, reason: unknown): void {
    for (const loop of this.of(kind)) loop.halt(reason);
  }

  /** All take no more, and what they have in hand is aborted. */
  cancel(reason: unknown): void {
    for (const loop of this.#loops) loop.cancel(reason);
  }

  /** Down where a loop was told to stop on errors and did; degraded where one could not go on. */
  health(): ComponentHealth {
    for (const [kind, { fatal }] of this.#faults)
      return { status: fatal ? 'down' : 'degraded', detail: `a ${kind} stopped by an error` };
    return { status: 'up' };
  }
}
