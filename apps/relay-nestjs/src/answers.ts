/** Writes what the relay answers, and answers what it refuses, on Express and Fastify alike. */
import { Relay, problem, requestOf, type Answer } from '@holdfast-app/relay';
import { Catch, Inject, NotFoundException, type ArgumentsHost, type CallHandler } from '@nestjs/common';
import type { ExceptionFilter, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { map, type Observable } from 'rxjs';

/** As an interceptor it turns an Answer into the response; as a filter it answers what is not Holdfast's. */
@Catch()
export class Answers implements NestInterceptor<Answer, string>, ExceptionFilter {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(Relay) private readonly relay: Relay,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler<Answer>): Observable<string> {
    return next.handle().pipe(map((answer) => this.begin(context, answer)));
  }

  catch(error: unknown, context: ArgumentsHost): void {
    const { httpAdapter } = this.host;
    const http = context.switchToHttp();
    if (httpAdapter.isHeadersSent(http.getResponse())) return;
    const isRefusal = !(error instanceof NotFoundException); // else Nest has no such route
    const refusal = isRefusal ? error : this.relay.notServed(requestOf(http.getRequest()));
    httpAdapter.reply(http.getResponse(), this.begin(context, problem(refusal)));
  }

  /** Gives the response its status and headers; returns its body. */
  private begin(context: ArgumentsHost, { status, headers, body }: Answer): string {
    const response: unknown = context.switchToHttp().getResponse();
    this.host.httpAdapter.status(response, status);
    for (const [name, value] of Object.entries(headers))
      this.host.httpAdapter.setHeader(response, name, value);
    return body;
  }
}
