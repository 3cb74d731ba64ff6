/**
 * What Nest's own shutdown hooks throw. Nest logs it and goes on as if all were well; here it is kept, so that the report names it
 * and the exit code says so.
 */

const HOOKS = ['onModuleDestroy', 'beforeApplicationShutdown', 'onApplicationShutdown'];

interface Failure {
  /** The class and its hook. */
  readonly where: string;
  readonly error: unknown;
}

/** Keeps what hooks throw. */
export class HookFailures {
  readonly #failures: Failure[] = [];

  /** Watches the hooks of `instances` from now on; what they throw still reaches Nest. */
  watch(instances: Iterable<object>): void {
    for (const instance of instances) {
      for (const name of HOOKS) {
        const hook: unknown = Reflect.get(instance, name);
        if (typeof hook !== 'function') continue;
        const where = `${instance.constructor.name}.${name}`;
        const value = async (...args: readonly unknown[]): Promise<unknown> => {
          try {
            return await Reflect.apply(hook, instance, args);
          } catch (error) {
            this.#failures.push({ where, error });
            throw error;
          }
        };
        Reflect.defineProperty(instance, name, { value, configurable: true, writable: true });
      }
    }
  }

  /** @throws AggregateError of everything that was thrown, which names each hook. */
  rethrow(): void {
    if (this.#failures.length === 0) return;
    throw new AggregateError(
      this.#failures.map(({ error }) => error),
      `Nest's hooks failed: ${this.#failures.map(({ where }) => where).join(', ')}`,
    );
  }
}
