/**
 * What the providers of an application have for Holdfast: components to own, methods that consume, methods under a policy. Every
 * instance counts once, however many tokens lead to it; request-scoped and transient providers have no instance to count.
 */
import { CircuitBreaker, Policy, type Awaitable, type Component, type Service } from '@holdfast/core';
import { ADOPT } from '@holdfast/core/internal';
import { LoopMonitor } from '@holdfast/node';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, ModuleRef, ModulesContainer } from '@nestjs/core';
import { CONSUME, type Consumption } from './consume.ts';
import { RESILIENT, type Resilience } from './resilient.ts';
import type { InjectionToken } from './tokens.ts';

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];
type Methods = Readonly<Record<string, (...args: unknown[]) => Awaitable<void>>>;

/** A decorated method. */
interface Found<M> {
  readonly instance: object;
  readonly name: string;
  readonly where: string;
  readonly metadata: M;
}

/** Looks through the container of one application. */
@Injectable()
export class Discovery {
  readonly #discovery: DiscoveryService;
  readonly #scanner: MetadataScanner;
  readonly #moduleRef: ModuleRef;
  readonly #modules: ModulesContainer;
  readonly #logger: Logger = new Logger('HoldfastModule');

  constructor(
    @Inject(DiscoveryService) discovery: DiscoveryService,
    @Inject(MetadataScanner) scanner: MetadataScanner,
    @Inject(ModuleRef) moduleRef: ModuleRef,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    this.#discovery = discovery;
    this.#scanner = scanner;
    this.#moduleRef = moduleRef;
    this.#modules = modules;
  }

  /** Everything whose hooks Nest calls: also guards, pipes, interceptors and middlewares, and what is transient. */
  hooked(): ReadonlySet<object> {
    const wrappers = [...this.#modules.values()].flatMap(
      ({ providers, controllers, injectables, middlewares }): readonly Wrapper[] =>
        [providers, controllers, injectables, middlewares].flatMap((some) => [...some.values()]),
    );
    return new Set(wrappers.flatMap(hookedOf).filter(isClassInstance));
  }

  /** Gives `service` every component that is a provider. */
  ownComponents(service: Service): void {
    for (const instance of this.#instances()) {
      if (!isComponent(instance)) continue;
      if (isGuard(instance) && (service.get(instance.name) ?? instance) !== instance)
        this.#logger.warn(
          `Of several policies named "${instance.name}" only the first shows in health and metrics`,
        );
      else service.own(instance);
    }
  }

  /** Gives their policy to decorated instances that Nest did not make itself, and so could not inject into. */
  armMethods(): void {
    for (const { instance, metadata } of this.#methods<Resilience>(RESILIENT))
      if (!(metadata.injected in instance))
        Object.defineProperty(instance, metadata.injected, { value: this.#get(metadata.policy) });
  }

  /** Starts every method that consumes. */
  startConsumers(): void {
    for (const { instance, name, where, metadata } of this.#methods<Consumption>(CONSUME)) {
      const queue = this.#get(metadata.queue);
      if (typeof queue.consume !== 'function')
        throw new TypeError(`@Consume() on ${where}: what is registered there is not a queue`);
      queue.consume((...args) => (instance as Methods)[name]?.(...args), metadata.options);
    }
    this.#warnOfScopedConsumers();
  }

  #get<T>(token: InjectionToken<T>): T {
    return this.#moduleRef.get<T>(token, { strict: false });
  }

  #wrappers(): readonly Wrapper[] {
    const wrappers = [...this.#discovery.getProviders(), ...this.#discovery.getControllers()];
    return wrappers.filter(({ isAlias }) => !isAlias);
  }

  #instances(): ReadonlySet<object> {
    const instances = this.#wrappers().map((wrapper): unknown =>
      isStatic(wrapper) ? wrapper.instance : undefined,
    );
    return new Set(instances.filter(isClassInstance));
  }

  *#methods<M>(key: string): Generator<Found<M>> {
    for (const instance of this.#instances())
      yield* this.#methodsOf<M>(instance, Object.getPrototypeOf(instance), key);
  }

  *#methodsOf<M>(instance: object, prototype: object, key: string): Generator<Found<M>> {
    for (const name of this.#scanner.getAllMethodNames(prototype)) {
      const metadata: M | undefined = Reflect.getMetadata(key, Reflect.get(prototype, name));
      if (metadata !== undefined)
        yield { instance, name, where: `${prototype.constructor.name}.${name}`, metadata };
    }
  }

  /** A queue has no request to make such a consumer for. */
  #warnOfScopedConsumers(): void {
    for (const wrapper of this.#wrappers()) {
      const prototype: unknown = wrapper.metatype?.prototype;
      if (isStatic(wrapper) || typeof prototype !== 'object' || prototype === null) continue;
      for (const { where } of this.#methodsOf(prototype, prototype, CONSUME))
        this.#logger.warn(`@Consume() on ${where} is ignored: its class is request-scoped or transient`);
    }
  }
}

function hookedOf(wrapper: Wrapper): readonly unknown[] {
  if (!wrapper.isDependencyTreeStatic()) return [];
  if (!wrapper.isTransient) return [wrapper.instance];
  return wrapper.getStaticTransientInstances().map((host): unknown => host?.instance);
}

function isStatic(wrapper: Wrapper): boolean {
  return wrapper.isDependencyTreeStatic() && !wrapper.isTransient;
}

function isClassInstance(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) !== null;
}

/**
 * Only Holdfast's own: others' classes may have methods of the same names that mean something else, such as a `drain` that
 * throws away what waits. A class of the application joins by `service.own(this)`.
 */
function isComponent(instance: object): instance is Component {
  return ADOPT in instance || isGuard(instance) || instance instanceof LoopMonitor;
}

/** What holds no work of its own, so that nothing is lost where it is not owned. */
function isGuard(instance: object): instance is Policy | CircuitBreaker {
  return instance instanceof Policy || instance instanceof CircuitBreaker;
}
