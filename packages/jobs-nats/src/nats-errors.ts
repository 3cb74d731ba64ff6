/**
 * What the client's errors mean to a queue. They are told apart by name, so that the client need not be loaded for it, and those of
 * the server by the server's own codes.
 */
import { EngineUnavailableError } from '@holdfast/core';

const UNAVAILABLE: ReadonlySet<string> = new Set<string>([
  'ClosedConnectionError',
  'ConnectionError',
  'DrainingConnectionError',
  'JetStreamNotEnabled',
  'NoRespondersError',
  'RequestError',
  'TimeoutError',
]);

/** `err_code` of the JetStream API, as far as they are told apart here. */
export const CODES = {
  consumerNotFound: 10_014,
  streamNotFound: 10_059,
  streamExists: 10_058,
  messageNotDeleted: 10_057,
  messageTooLarge: 10_054,
  notStored: 10_077,
} as const;

/** The code that the server gave the error. */
export function codeOf(error: unknown): number | undefined {
  if (
    !(error instanceof Error) ||
    !/^(?:JetStreamApi|StreamNotFound|ConsumerNotFound)Error$/u.test(error.name)
  )
    return undefined;
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'number' ? code : undefined;
}

/** Whether a stream has as many messages, or bytes, as it may. */
export function isFull(error: unknown): boolean {
  // one code stands for all reasons not to store
  return codeOf(error) === CODES.notStored && error instanceof Error && error.message.startsWith('maximum ');
}

/** Whether nobody took the request: then nothing was done. */
export function isUnheard(error: unknown): boolean {
  return (
    error instanceof Error && (error.name === 'JetStreamNotEnabled' || error.name === 'NoRespondersError')
  );
}

/** Whether there was no answer in time: then the request may have been carried out. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AnswerLostError');
}

/** The connection went down before the answer came. */
export class AnswerLostError extends Error {
  override readonly name = 'AnswerLostError';
}

/** The error as a caller of a queue knows it. */
export function translate(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const status: unknown = Reflect.get(error, 'status');
  const unavailable =
    UNAVAILABLE.has(error.name) ||
    error instanceof AnswerLostError ||
    (codeOf(error) !== undefined && status === 503);
  return unavailable ? new EngineUnavailableError(`NATS: ${error.message}`, error) : error;
}
