/** What is not HTTP: handlers of messages, sockets and GraphQL. */
import 'reflect-metadata';
import { CurrentScope, Service, TimeoutError, type RequestScope } from '@holdfast/nestjs';
import type { ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it, vi } from 'vitest';
import { ProblemDetailsFilter } from '../src/problem-details.filter.ts';

class Handlers {
  handle(_scope: RequestScope): void {}
}
CurrentScope()(Handlers.prototype, 'handle', 0);

/** The parameter's value, as Nest asks for it. */
function inject(context: ExecutionContext): unknown {
  const parameters: Record<string, { factory(data: unknown, context: ExecutionContext): unknown }> =
    Reflect.getMetadata('__routeArguments__', Handlers, 'handle');
  return Object.values(parameters)[0]?.factory(undefined, context);
}

function contextOf(type: string): ExecutionContextHost {
  const context = new ExecutionContextHost([]);
  context.setType(type);
  return context;
}

describe('@CurrentScope()', () => {
  it('is the scope of the request that a GraphQL resolver answers', () => {
    const handle = new Service({ name: 'app' }).openScope();
    expect(handle.run(() => inject(contextOf('graphql')))).toBe(handle.scope);
    handle.end();
  });

  it.each(['rpc', 'ws', 'graphql'])('says that there is none in a %s handler without a request', (type) => {
    expect(() => inject(contextOf(type))).toThrow(`No request scope in this ${type} handler`);
  });
});

describe('the filter', () => {
  it.each(['rpc', 'ws', 'graphql'])('leaves an error of a %s handler to Nest', (type) => {
    const adapterHost = new HttpAdapterHost();
    const asked = vi.spyOn(adapterHost, 'httpAdapter', 'get');
    const filter = new ProblemDetailsFilter(adapterHost);
    expect(filter.catch(new TimeoutError('The call', 'total', 5), contextOf(type))).toBeUndefined();
    expect(asked).not.toHaveBeenCalled();
  });
});
