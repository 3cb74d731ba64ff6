/**
 * The context of a call that nothing can end early, and the record of its execution. Making the two costs more than the rest of a
 * guard, so a context at which nobody has looked by the end of its call goes to another one. It is frozen for that reason, and only for
 * work that takes no parameter: other work may keep its context, and look later.
 */
import { Execution } from './execution.ts';
import { EXECUTION } from './execution-key.ts';
import type { WorkContext } from './work-context.ts';

/** One call, from `takeSpareCall` to `end`. */
export interface SpareCall {
  readonly context: WorkContext;
  /** The call has settled. Returns the record of its execution, if something that it started asked for one. */
  end(): Execution | undefined;
}

/** As many as are kept at rest. */
const MAX_SPARES = 64;

const spares: SpareCall[] = [];

/** A call that nobody else has. */
export function takeSpareCall(): SpareCall {
  return spares.pop() ?? makeSpareCall();
}

function makeSpareCall(): SpareCall {
  let controller: AbortController | undefined;
  let execution: Execution | undefined;
  const call: SpareCall = {
    context: Object.freeze({
      get signal() {
        controller ??= new AbortController();
        return controller.signal;
      },
      deadline: undefined,
      get [EXECUTION]() {
        return (execution ??= new Execution(undefined));
      },
    }),
    end() {
      if (!controller && !execution && spares.length < MAX_SPARES) spares.push(call);
      return execution;
    },
  };
  return call;
}
