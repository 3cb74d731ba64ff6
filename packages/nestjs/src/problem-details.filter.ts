/**
 * Errors as `application/problem+json`: an exception filter for Holdfast's own errors and for nothing else, on Express and Fastify.
 * When the caller has left nothing is written; when headers are out already the response is broken off, so that no client takes
 * half an answer for a whole one.
 */
import type { ServerResponse } from 'node:http';
import { isHoldfastError, toProblem, type HoldfastError, type ProblemAnswer } from '@holdfast/core';
import { Catch, Inject, type Abstract, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { rawResponse, type PlatformResponse } from './platform.ts';

/** Something that Nest can ask `instanceof` of: `matches` answers. So errors of another copy of the package are known too. */
function errorsThat(matches: (error: unknown) => boolean): Abstract<unknown> {
  const type = Object.defineProperty(() => {}, Symbol.hasInstance, { value: matches });
  return type;
}

/** Answers Holdfast's errors by the one table. */
@Catch(errorsThat((error) => isHoldfastError(error)))
export class ProblemDetailsFilter implements ExceptionFilter<HoldfastError> {
  readonly #host: HttpAdapterHost;

  constructor(@Inject(HttpAdapterHost) host: HttpAdapterHost) {
    this.#host = host;
  }

  /** Answers HTTP requests; an error in a handler of messages or sockets is left to Nest. */
  catch(error: HoldfastError, host: ArgumentsHost): void {
    if (host.getType() !== 'http') return;
    const { httpAdapter } = this.#host;
    const response: PlatformResponse = host.switchToHttp().getResponse();
    const raw = rawResponse(response);
    const problem = toProblem(error);
    if (raw.headersSent) raw.destroy();
    else if (problem !== undefined) this.#answer(response, problem);
    else if (!raw.destroyed) new BaseExceptionFilter().handleUnknownError(error, host, httpAdapter);
  }

  #answer(response: PlatformResponse, { status, headers, body }: ProblemAnswer): void {
    const text = JSON.stringify(body);
    if (isNative(response)) {
      response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(text) }).end(text);
      return;
    }
    const { httpAdapter } = this.#host;
    for (const [name, value] of Object.entries(headers)) httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, text, status);
  }
}

/** The filter of an application that did not ask for problem details. */
@Catch(errorsThat(() => false))
export class NoFilter implements ExceptionFilter {
  catch(): void {}
}

/** Whether it is Node's own response, as middleware on Fastify has it. */
function isNative(response: PlatformResponse): response is ServerResponse {
  return !('status' in response);
}
