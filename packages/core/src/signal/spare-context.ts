/**
 * A context for work that nothing can abort. A context costs more than the rest of a guard, so one is handed out again and again
 * until somebody reads its signal, which is then that one's own. It is frozen, since others may hold it too.
 */
import { createContext, extendContext, type SignalSource, type WorkContext } from './work-context.ts';

/** Gives contexts with the members `E` beside the usual ones. */
export class SpareContext<E extends object> {
  readonly #extra: E;
  #spare: (WorkContext & E) | undefined;

  constructor(extra: E) {
    this.#extra = extra;
  }

  /** A context whose signal nobody has read yet. */
  get(): WorkContext & E {
    return (this.#spare ??= this.#make());
  }

  #make(): WorkContext & E {
    const forget = (): void => {
      this.#spare = undefined;
    };
    return Object.freeze(
      extendContext(createContext(new ForgottenOnceRead(forget), undefined, undefined), this.#extra),
    );
  }
}

class ForgottenOnceRead implements SignalSource {
  readonly #forget: () => void;
  #controller: AbortController | undefined;

  constructor(forget: () => void) {
    this.#forget = forget;
  }

  get signal(): AbortSignal {
    this.#forget();
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }
}
