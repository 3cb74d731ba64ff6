/**
 * The module: one Service for the application, its scope at the HTTP edge, everything that the providers have for it, and its
 * shutdown before Nest's own hooks.
 */
import { Service } from '@holdfast/core';
import { checkBoolean, checkOptionalFunction, checkOptions, checkTimeoutMs } from '@holdfast/core/internal';
import {
  Inject,
  Module,
  type ExceptionFilter,
  type NestModule,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { APP_FILTER, DiscoveryModule, HttpAdapterHost } from '@nestjs/core';
import { Discovery } from './discovery.ts';
import { Lifecycle } from './lifecycle.ts';
import {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type HoldfastModuleOptions,
} from './module-options.ts';
import { drain, mount } from './platform.ts';
import { NoFilter, ProblemDetailsFilter } from './problem-details.filter.ts';

function createService(options: HoldfastModuleOptions): Service {
  checkOptions('options', options);
  const { timeoutMs = Infinity, exempt, problemDetails = false, healthRoutes = false, ...service } = options;
  checkTimeoutMs('timeoutMs', timeoutMs);
  checkOptionalFunction('exempt', exempt);
  checkBoolean('problemDetails', problemDetails);
  checkBoolean('healthRoutes', healthRoutes);
  return new Service(service);
}

function createFilter(
  { problemDetails = false }: HoldfastModuleOptions,
  host: HttpAdapterHost,
): ExceptionFilter {
  return problemDetails ? new ProblemDetailsFilter(host) : new NoFilter();
}

/**
 * Gives an application its Service, to be injected as `Service`.
 *
 * @example
 * \@Module({ imports: [HoldfastModule.forRoot({ name: 'orders', problemDetails: true, healthRoutes: true })] })
 * class AppModule {}
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    Discovery,
    Lifecycle,
    { provide: Service, useFactory: createService, inject: [MODULE_OPTIONS_TOKEN] },
    { provide: APP_FILTER, useFactory: createFilter, inject: [MODULE_OPTIONS_TOKEN, HttpAdapterHost] },
  ],
  exports: [Service],
})
export class HoldfastModule
  extends ConfigurableModuleClass
  implements NestModule, OnModuleInit, OnApplicationBootstrap, OnModuleDestroy
{
  readonly #service: Service;
  readonly #options: HoldfastModuleOptions;
  readonly #host: HttpAdapterHost;
  readonly #discovery: Discovery;
  readonly #lifecycle: Lifecycle;

  constructor(
    @Inject(Service) service: Service,
    @Inject(MODULE_OPTIONS_TOKEN) options: HoldfastModuleOptions,
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
    @Inject(Discovery) discovery: Discovery,
    @Inject(Lifecycle) lifecycle: Lifecycle,
  ) {
    super();
    this.#service = service;
    this.#options = options;
    this.#host = host;
    this.#discovery = discovery;
    this.#lifecycle = lifecycle;
  }

  /** Called where there is an HTTP server, after body parsers and before every route. */
  configure(): void {
    const { httpAdapter } = this.#host;
    drain(httpAdapter, this.#service);
    mount(httpAdapter, this.#service, this.#options);
    this.#lifecycle.comeBefore(httpAdapter);
  }

  onModuleInit(): void {
    this.#discovery.ownComponents(this.#service);
    this.#discovery.armMethods();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.#lifecycle.startService();
    this.#discovery.startConsumers();
  }

  /** Where Nest has no earlier hook: without an HTTP server, and before version 12. */
  async onModuleDestroy(): Promise<void> {
    await this.#lifecycle.beforeNestCloses();
  }
}
