/** The requests of a service: those open now, and what became of them since it began to shut down. */
import type { RequestCounts } from '../component.ts';
import { IdleLine } from '../signal/idle-line.ts';
import type { TaskManager } from '../tasks/task-manager.ts';
import { OpenScope, type OpenScopeOptions, type ScopeHost } from './request-scope.ts';

/** Opens scopes and keeps account of them. */
export class Scopes implements ScopeHost {
  readonly owner: object;
  readonly tasks: TaskManager;
  readonly #open: Set<OpenScope> = new Set<OpenScope>();
  readonly #idle: IdleLine = new IdleLine(() => this.#open.size);
  #counting = false;
  #cancelled: ReadonlySet<OpenScope> = new Set<OpenScope>();
  #drained = 0;
  #rejected = 0;

  constructor(owner: object, tasks: TaskManager) {
    this.owner = owner;
    this.tasks = tasks;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Names of those that are open. */
  get names(): readonly string[] {
    return [...this.#open].map(({ scope }) => `request ${scope.id}`);
  }

  /** What became of them since `count` was called. */
  get counts(): RequestCounts {
    return { drained: this.#drained, cancelled: this.#cancelled.size, rejected: this.#rejected };
  }

  /** `options` are taken as checked. */
  open(options: OpenScopeOptions): OpenScope {
    const scope = new OpenScope(this, options);
    this.#open.add(scope);
    return scope;
  }

  /** One was refused because the service shuts down. */
  reject(): void {
    this.#rejected += 1;
  }

  closed(scope: OpenScope): void {
    this.#open.delete(scope);
    if (!this.#counting) return;
    if (!this.#cancelled.has(scope)) this.#drained += 1;
    this.#idle.settle();
  }

  /** The intake has ended: counts from here. */
  count(): void {
    this.#counting = true;
  }

  /** Resolves when none is open; an abort of `signal` rejects. */
  async drain(signal: AbortSignal): Promise<void> {
    await this.#idle.drain({ signal });
  }

  /** Aborts those that are open. */
  cancel(reason: unknown): void {
    this.#cancelled = new Set(this.#open);
    for (const scope of this.#cancelled) scope.cancel(reason);
  }
}
