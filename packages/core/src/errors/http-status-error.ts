/** A response whose status says that the call failed. */
import { HoldfastError } from './holdfast-error.ts';

/** The upstream answered with a failing status (code `HTTP_STATUS`): what breakers, events and causes see of it. */
export class HttpStatusError extends HoldfastError {
  override readonly name = 'HttpStatusError';
  override readonly code = 'HTTP_STATUS';
  /** HTTP status of the response. */
  readonly status: number;
  /** URL that was asked, without its query. */
  readonly url: string;

  constructor(
    status: number,
    url: string,
    options: { readonly retryable?: boolean; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(`${url} answered ${status}`, options);
    this.status = status;
    this.url = url;
  }
}
