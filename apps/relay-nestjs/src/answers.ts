/** Writes what the relay answers, and answers what it refuses, on Express and Fastify alike. */
import { Relay, problem, type Answer } from '@holdfast-app/relay';
import {
  Catch,
  Inject,
  Injectable,
  NotFoundException,
  type ArgumentsHost,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { HttpAdapterHost, type AbstractHttpAdapter } from '@nestjs/core';
import { map, type Observable } from 'rxjs';
import { relayRequest } from './current-request.ts';

/** Turns an Answer into the response. */
@Injectable()
export class AnswerInterceptor implements NestInterceptor<Answer, string> {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  intercept(context: ExecutionContext, next: CallHandler<Answer>): Observable<string> {
    return next.handle().pipe(map((answer) => begin(this.host.httpAdapter, context, answer)));
  }
}

/** Answers what is not Holdfast's: the relay's own refusals, and requests for which Nest has no route. */
@Catch()
export class RefusalFilter implements ExceptionFilter {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(Relay) private readonly relay: Relay,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.host;
    const response: unknown = host.switchToHttp().getResponse();
    if (httpAdapter.isHeadersSent(response)) return;
    const refusal = error instanceof NotFoundException ? this.relay.notServed(relayRequest(host)) : error;
    httpAdapter.reply(response, begin(httpAdapter, host, problem(refusal)));
  }
}

/** Gives the response its status and headers; returns its body. */
function begin(adapter: AbstractHttpAdapter, host: ArgumentsHost, { status, headers, body }: Answer): string {
  const response: unknown = host.switchToHttp().getResponse();
  adapter.status(response, status);
  for (const [name, value] of Object.entries(headers)) adapter.setHeader(response, name, value);
  return body;
}
