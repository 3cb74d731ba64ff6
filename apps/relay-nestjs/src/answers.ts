/** Writes what the relay answers, and answers what it refuses, on Express and Fastify alike. */
import { problem, type Answer, type Relay } from '@holdfast-app/relay';
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
import { HttpAdapterHost } from '@nestjs/core';
import { map, type Observable } from 'rxjs';
import { relayRequest } from './current-request.ts';
import { RELAY } from './relay.token.ts';

/** Turns an Answer into the response. */
@Injectable()
export class AnswerInterceptor implements NestInterceptor<Answer, string> {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  intercept(context: ExecutionContext, next: CallHandler<Answer>): Observable<string> {
    return next.handle().pipe(
      map(({ status, headers, body }) => {
        const { httpAdapter } = this.host;
        const response: unknown = context.switchToHttp().getResponse();
        httpAdapter.status(response, status);
        for (const [name, value] of Object.entries(headers)) httpAdapter.setHeader(response, name, value);
        return body;
      }),
    );
  }
}

/** Answers what is not Holdfast's: the relay's own refusals, and requests for which Nest has no route. */
@Catch()
export class RefusalFilter implements ExceptionFilter {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(RELAY) private readonly relay: Relay,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.host;
    const response: unknown = host.switchToHttp().getResponse();
    if (httpAdapter.isHeadersSent(response)) return;
    const unknownRoute = error instanceof NotFoundException;
    const { status, headers, body } = problem(
      unknownRoute ? this.relay.notServed(relayRequest(host)) : error,
    );
    for (const [name, value] of Object.entries(headers)) httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, body, status);
  }
}
