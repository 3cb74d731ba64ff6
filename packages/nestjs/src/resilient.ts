/**
 * `@Resilient(policy)`: a method runs under a policy. The policy is injected like any dependency, so a missing one fails at start
 * and a test may override it. A context that the caller passes as the last argument bounds the whole call, and the method gets
 * the attempt's in its place: the signal it passes on is the one that the policy's time-outs abort.
 */
import type { CallOptions, Work, WorkContext } from '@holdfast/core';
import { EXECUTION } from '@holdfast/core/internal';
import { Inject } from '@nestjs/common';
import type { InjectionToken, MethodDecorator } from './tokens.ts';

/** What runs work under its protection: a Policy, or one of its parts alone. */
export interface Guard {
  execute<T>(fn: Work<T>, options?: CallOptions): Promise<T>;
}

/** What the decorator leaves on a method for the module to find. */
export interface Resilience {
  readonly policy: InjectionToken<Guard>;
  /** Property under which the instance has its policy. */
  readonly injected: symbol;
}

/** Key of that metadata. */
export const RESILIENT: string = 'holdfast:resilient';

type AsyncMethod = (...args: never) => Promise<unknown>;
type Arguments = readonly unknown[];

/**
 * Runs the decorated method under the policy that `policy` stands for.
 *
 * @example
 * class PaymentService {
 *   \@Resilient(Payments)
 *   async charge(order: Order, ctx?: WorkContext): Promise<string> {
 *     const response = await fetch(url, { signal: ctx?.signal ?? null });
 *     return response.text();
 *   }
 * }
 *
 * @throws TypeError where `policy` is undefined, as it is when two files import each other.
 */
export function Resilient(policy: InjectionToken<Guard>): MethodDecorator<AsyncMethod> {
  return (target, key, descriptor) => {
    const where = `${target.constructor.name}.${String(key)}`;
    if (policy === undefined)
      throw new TypeError(`@Resilient() on ${where} got undefined: do two files import each other?`);
    const method: unknown = descriptor.value;
    if (typeof method !== 'function') throw new TypeError(`@Resilient() on ${where} needs a method`);
    const injected = Symbol(`policy of ${where}`);
    Inject(policy)(target, injected);

    function resilient(this: object, ...args: Arguments): unknown {
      const guard: Guard | undefined = Reflect.get(this, injected);
      const call = (attempt: Arguments): unknown => Reflect.apply(method as () => unknown, this, attempt);
      if (guard === undefined) return call(args); // made without Nest, as in a unit test
      const last = args.at(-1);
      if (!isContext(last)) return guard.execute(() => call(args));
      return guard.execute((ctx) => call([...args.slice(0, -1), attemptOf(last, ctx)]), last);
    }

    for (const name of ['name', 'length'] as const)
      Object.defineProperty(resilient, name, { value: method[name], configurable: true });
    for (const metadataKey of Reflect.getOwnMetadataKeys(method))
      Reflect.defineMetadata(metadataKey, Reflect.getOwnMetadata(metadataKey, method), resilient);
    const resilience: Resilience = { policy, injected };
    Reflect.defineMetadata(RESILIENT, resilience, resilient);
    Object.assign(descriptor, { value: resilient });
  };
}

function isContext(value: unknown): value is CallOptions {
  if (typeof value !== 'object' || value === null) return false;
  return EXECUTION in value || ('signal' in value && value.signal instanceof AbortSignal);
}

/** The attempt's context, with whatever else the caller's carried. Neither is touched: both may be shared, and frozen. */
function attemptOf(given: object, attempt: WorkContext): object {
  if (Object.keys(given).every((key) => key in attempt)) return attempt;
  const members = {
    ...Object.getOwnPropertyDescriptors(given),
    ...Object.getOwnPropertyDescriptors(attempt),
  };
  return Object.defineProperties({}, members);
}
