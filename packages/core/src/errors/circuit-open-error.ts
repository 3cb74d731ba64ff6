/** What an open circuit answers in place of the call it guards. */
import { Refusal } from './holdfast-error.ts';

/** State of a circuit breaker. */
export type CircuitState = 'closed' | 'open' | 'half-open' | 'isolated';

/** The circuit is open, isolated, or has all its half-open trials running (code `CIRCUIT_OPEN`). Nothing was called. */
export class CircuitOpenError extends Refusal {
  override readonly name = 'CircuitOpenError';
  override readonly code = 'CIRCUIT_OPEN';
  /** State of the circuit when it refused. */
  readonly state: CircuitState;

  constructor(
    circuit: string,
    state: CircuitState,
    options: { readonly retryAfterMs?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(`Circuit "${circuit}" is ${state}`, options);
    this.state = state;
  }
}
