/**
 * Who closes whom. `app.close()` first runs the service's whole shutdown, before any of Nest's own hooks; and the shutdown, where
 * `listen(app)` asked for it, closes Nest in its close phase. Whichever comes first, each runs once and neither waits for itself.
 */
import { Service, type ShutdownContext } from '@holdfast/core';
import { Inject, Injectable } from '@nestjs/common';
import { Discovery } from './discovery.ts';
import { HookFailures } from './hook-failures.ts';

/** A Nest application, as far as closing it goes. */
export interface Closable {
  close(signal?: string): Promise<void>;
}

type Close = (this: Closable, signal: string | undefined) => Promise<void>;

/** Longest time for all of Nest's hooks together, in milliseconds; the phase may allow less. */
const NEST_HOOKS_MS = 10_000;

/** Puts the two shutdowns in order. */
@Injectable()
export class Lifecycle {
  readonly #service: Service;
  readonly #discovery: Discovery;
  readonly #nestMayClose: Promise<void>;
  #letNestClose: () => void = () => {};
  #starting = false;

  constructor(@Inject(Service) service: Service, @Inject(Discovery) discovery: Discovery) {
    this.#service = service;
    this.#discovery = discovery;
    this.#nestMayClose = new Promise((resolve) => {
      this.#letNestClose = resolve;
    });
  }

  /** Starts the service, as part of the start of the application. */
  async startService(): Promise<void> {
    this.#starting = true;
    try {
      await this.#service.start();
    } finally {
      this.#starting = false;
    }
  }

  /** To be awaited before Nest's own hooks: resolves when the service is through, or has come to closing Nest. */
  async beforeNestCloses(): Promise<void> {
    await Promise.race([this.#nestMayClose, this.#service.shutdown({ cause: 'app.close()' })]);
  }

  /** Makes Nest 12 wait for it: before anything else it awaits `beforeClose` of its HTTP adapter. */
  comeBefore(adapter: object): void {
    const nests: unknown = Reflect.get(adapter, 'beforeClose');
    Reflect.set(adapter, 'beforeClose', async () => {
      await this.beforeNestCloses();
      if (typeof nests === 'function') await Reflect.apply(nests, adapter, []);
    });
  }

  /**
   * Makes Nest close in the service's close phase, once what it was starting has settled: hooks that destroy must not run beside
   * hooks that create. From now on `app.close()` closes once, however often it is called.
   */
  closeLast(app: Closable, initialised: () => Promise<unknown>): void {
    const closeNest: Close = Reflect.get(Object.getPrototypeOf(app), 'close'); // the application's own is set below
    let closed: Promise<void> | undefined;
    const close = async (signal?: string): Promise<void> => {
      await this.beforeNestCloses();
      // a start that waits for the service cannot be waited for: it failed, and the service waits for us
      if (!this.#starting) await initialised();
      await Reflect.apply(closeNest, app, [signal]);
    };
    const value = (signal?: string): Promise<void> => (closed ??= close(signal));
    Object.defineProperty(app, 'close', { value, configurable: true }); // Nest's proxy ignores an assignment
    const inClosePhase = async ({ cause }: ShutdownContext): Promise<void> => {
      const failures = new HookFailures();
      failures.watch(this.#discovery.hooked());
      this.#letNestClose();
      await app.close(cause.startsWith('SIG') ? cause : undefined); // what Nest gives its hooks is a signal's name
      failures.rethrow();
    };
    this.#service.onShutdown('nestjs', inClosePhase, { phase: 'close', timeoutMs: NEST_HOOKS_MS });
  }
}
