/** `@CurrentScope()`: the request's scope as a parameter of a handler. It is opened before any guard, interceptor or pipe runs. */
import { currentScope, type RequestScope } from '@holdfast/core';
import { requestScopeOf } from '@holdfast/node/internal';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { rawResponse } from './platform.ts';

const inject = createParamDecorator((_data: unknown, context: ExecutionContext): RequestScope => {
  const type = context.getType<string>();
  const scope =
    type === 'http' ? requestScopeOf(rawResponse(context.switchToHttp().getResponse())) : currentScope();
  if (scope === undefined)
    throw new Error(
      `No request scope in this ${type} handler: @CurrentScope() needs an HTTP request that HoldfastModule saw`,
    );
  return scope;
});

/**
 * Injects the RequestScope of the request being handled.
 *
 * @example
 * create(\@Body() order: Order, \@CurrentScope() scope: RequestScope) { … }
 *
 * @throws Error (as the request's failure) in handlers of messages and sockets, which have no request.
 */
export function CurrentScope(): ParameterDecorator {
  return inject();
}
