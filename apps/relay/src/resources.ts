/**
 * Everything that a start opens, together: the first part that fails makes the others close again, and the start fails with its
 * error. Closed, at the latest, when the service disposes of it, in reverse order.
 */
import { ResourceStack, TaskGroup, type Awaitable, type Component, type WorkContext } from '@holdfast/core';

/** Something to open and to close. */
export interface Resource extends AsyncDisposable {
  readonly name: string;
  open(ctx: WorkContext): Awaitable<void>;
}

/** The resources of a service. */
export class Resources implements Component, AsyncDisposable {
  readonly name = 'resources';
  readonly #parts: readonly Resource[];
  readonly #opened: () => void;
  readonly #stack: ResourceStack = new ResourceStack();

  /** `opened` is called once all `parts` are open. */
  constructor(parts: readonly Resource[], opened: () => void) {
    this.#parts = parts;
    this.#opened = opened;
  }

  async open(ctx: WorkContext): Promise<void> {
    try {
      await TaskGroup.run(
        (group) => {
          for (const part of this.#parts) {
            group.spawn(
              (ctx) =>
                this.#stack.acquire(
                  () => part.open(ctx),
                  () => part[Symbol.asyncDispose](),
                ),
              { name: part.name },
            );
          }
        },
        { ...ctx, name: 'start' },
      );
      ctx.signal.throwIfAborted(); // a shutdown came while the last part was opened
    } catch (error) {
      await this.#stack[Symbol.asyncDispose]();
      throw error instanceof AggregateError ? error.cause : error;
    }
    this.#opened();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}
