/** What a decorator takes to name a provider, and what it may be put on. */
import type { Abstract, Type } from '@nestjs/common';

/** A class under which a provider is registered. */
export type ClassToken<T> = Type<T> | Abstract<T>;

/** A class, or a name, under which a provider is registered. */
export type InjectionToken<T> = ClassToken<T> | string | symbol;

/** A decorator for methods of one shape. */
export type MethodDecorator<F> = <M extends F>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;
