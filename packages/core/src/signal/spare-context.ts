/**
 * A context for work that nothing can abort. Making one costs more than the rest of a guard, so one is handed out again and again
 * until somebody reads its signal, which is then that one's own. It is frozen, since others may hold it too.
 */
import type { WorkContext } from './work-context.ts';

/** Makes a function that gives such contexts, with these members beside the usual ones. */
export function spareContexts<E extends object>(extra: E): () => WorkContext & E {
  let spare: (WorkContext & E) | undefined;
  const make = (): WorkContext & E => {
    let controller: AbortController | undefined;
    return Object.freeze({
      get signal() {
        spare = undefined;
        controller ??= new AbortController();
        return controller.signal;
      },
      deadline: undefined,
      ...extra,
    });
  };
  return () => (spare ??= make());
}
