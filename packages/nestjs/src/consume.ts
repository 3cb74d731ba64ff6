/**
 * `@Consume(queue)`: a method handles the items of a queue, one call per item, outside the request pipeline: no guard, interceptor
 * or filter applies, and an error goes where the queue's own options send it. Consuming starts when the application has started.
 */
import type {
  Awaitable,
  BoundedQueue,
  ConsumeOptions,
  ItemContext,
  JobConsumeOptions,
  JobContext,
  JobQueue,
} from '@holdfast/core';
import { SetMetadata } from '@nestjs/common';
import type { ClassToken, InjectionToken, MethodDecorator } from './tokens.ts';

/** What the decorator leaves on a method for the module to find. */
export interface Consumption {
  readonly queue: InjectionToken<Consumable>;
  readonly options: ConsumeOptions<unknown> & JobConsumeOptions;
}

/** What a queue must offer. */
export interface Consumable {
  consume(
    handler: (...args: readonly [value: unknown, ctx: unknown]) => Awaitable<void>,
    options: unknown,
  ): unknown;
}

/** Key of that metadata. */
export const CONSUME: string = 'holdfast:consume';

/**
 * Handles each item of the queue registered under `queue` with the decorated method.
 *
 * @example
 * class OrderConsumer {
 *   \@Consume(Orders, { concurrency: 8 })
 *   async handle(order: Order, ctx: ItemContext): Promise<void> { … }
 * }
 *
 * @throws TypeError where `queue` is undefined, as it is when two files import each other.
 */
export function Consume<T>(
  queue: ClassToken<BoundedQueue<T>>,
  options?: ConsumeOptions<T>,
): MethodDecorator<(value: T, ctx: ItemContext) => Awaitable<void>>;
export function Consume<T>(
  queue: ClassToken<JobQueue<T>>,
  options?: JobConsumeOptions,
): MethodDecorator<(payload: T, ctx: JobContext) => Awaitable<void>>;
export function Consume(
  queue: string | symbol,
  options?: ConsumeOptions<unknown> | JobConsumeOptions,
): MethodDecorator<(value: never, ctx: JobContext) => Awaitable<void>>;
export function Consume(
  queue: InjectionToken<Consumable>,
  options: Consumption['options'] = {},
): MethodDecorator<(value: never, ctx: never) => Awaitable<void>> {
  return (target, key, descriptor) => {
    const where = `@Consume() on ${target.constructor.name}.${String(key)}`;
    if (queue === undefined) throw new TypeError(`${where} got undefined: do two files import each other?`);
    if (typeof key === 'symbol') throw new TypeError(`${where} needs a method with a name`);
    SetMetadata<string, Consumption>(CONSUME, { queue, options })(target, key, descriptor);
  };
}
