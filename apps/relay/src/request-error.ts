/** What the relay itself refuses, each with its code and HTTP status; `toProblem` of core has the rest of the table. */

const statuses = {
  BAD_REQUEST: [400, 'Bad Request'],
  NOT_FOUND: [404, 'Not Found'],
  METHOD_NOT_ALLOWED: [405, 'Method Not Allowed'],
  ID_CONFLICT: [409, 'Conflict'],
  BODY_TOO_LARGE: [413, 'Content Too Large'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'Unsupported Media Type'],
} as const;

/** Code of a refusal. */
export type RequestErrorCode = keyof typeof statuses;

/** A request that the relay does not serve. The message is for the caller. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code: RequestErrorCode;
  /** Headers that belong to the answer, such as `allow`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: RequestErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.headers = headers;
  }

  /** HTTP status of the answer. */
  get status(): number {
    return statuses[this.code][0];
  }

  /** Name of the status. */
  get title(): string {
    return statuses[this.code][1];
  }
}

/** The refusal of a request whose path nobody can read. */
export function malformed(): RequestError {
  return new RequestError('BAD_REQUEST', 'the request is malformed');
}
