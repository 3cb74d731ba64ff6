/**
 * Options of HoldfastModule, and the two static methods that take them. Nothing here imports the module itself, so that neither
 * file sees the other half-loaded.
 */
import type { Awaitable, ServiceOptions } from '@holdfast/core';
import { ConfigurableModuleBuilder } from '@nestjs/common';

/** What `HoldfastModule.forRoot` takes: the service's own options, and what its HTTP edge does. */
export interface HoldfastModuleOptions extends ServiceOptions {
  /** Longest time a request may take, in milliseconds; a caller's `x-request-timeout-ms` can only shorten it. @default Infinity */
  readonly timeoutMs?: number | undefined;
  /** Paths whose requests are not refused because the service is overloaded; health routes never are. @default none */
  readonly exempt?: ((path: string) => boolean) | undefined;
  /** Answers Holdfast's errors as `application/problem+json`, by a global exception filter. @default false */
  readonly problemDetails?: boolean | undefined;
  /** Serves `/livez`, `/startupz`, `/readyz` and `/metrics` at the root, whatever the global prefix is. @default false */
  readonly healthRoutes?: boolean | undefined;
}

/** A provider that makes the options, for `forRootAsync({ useClass })` and `useExisting`. */
export interface HoldfastOptionsFactory {
  createHoldfastOptions(): Awaitable<HoldfastModuleOptions>;
}

/** What both static methods take beside the options. */
export interface HoldfastModuleExtras {
  /** Whether `Service` can be injected everywhere without importing the module again. @default true */
  isGlobal?: boolean | undefined;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<HoldfastModuleOptions>({
    moduleName: 'Holdfast',
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createHoldfastOptions')
    .setExtras<HoldfastModuleExtras>({ isGlobal: true }, (definition, { isGlobal = true }) => ({
      ...definition,
      global: isGlobal,
    }))
    .build();
