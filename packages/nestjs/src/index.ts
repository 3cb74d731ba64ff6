/**
 * Holdfast for NestJS 11 and 12: module, decorators, request scope, health, graceful listen. Everything of `@holdfast/core` and
 * `@holdfast/node` is exported here too, so that an app imports one package.
 */
export * from '@holdfast/core';
export * from '@holdfast/node';
export { Consume } from './consume.ts';
export { CurrentScope } from './current-scope.ts';
export { HoldfastModule } from './holdfast.module.ts';
export { listen } from './listen.ts';
export type {
  HoldfastModuleExtras,
  HoldfastModuleOptions,
  HoldfastOptionsFactory,
} from './module-options.ts';
export { Resilient, type Guard } from './resilient.ts';
export type { ClassToken, InjectionToken, MethodDecorator } from './tokens.ts';
