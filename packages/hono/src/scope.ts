/**
 * The request scope in Hono: opened by `holdfast()`, found as `c.var.holdfast`, ended when the response ends. Background work is
 * handed to the runtime too where the runtime asks for it, as Cloudflare Workers do.
 */
import type { RequestScope, ScopeHandle, Service } from '@holdfast/core';
import {
  checkOptionalFunction,
  checkOptions,
  checkTimeoutMs,
  inboundScope,
  invalidType,
  pastTheDoor,
} from '@holdfast/core/internal';
import type { Context, MiddlewareHandler, Next } from 'hono';
import { isHealthRequest } from './health-routes.ts';
import { WebResponseEnd, endWithNode, nodeBindings, type NodeBindings } from './response-end.ts';

/** What `holdfast()` adds to a Hono app: `new Hono<HoldfastEnv>()`, or inferred along a chain. */
export interface HoldfastEnv {
  Variables: { holdfast: RequestScope };
}

/** What the middleware needs. */
export interface HoldfastOptions {
  /** Tracks the scopes. */
  readonly service: Service;
  /** Longest time a request may take, in milliseconds; a caller's `x-request-timeout-ms` can only shorten it. @default Infinity */
  readonly timeoutMs?: number | undefined;
  /** Paths whose requests are not refused because the service is overloaded; health routes never are. @default none */
  readonly exempt?: ((path: string) => boolean) | undefined;
}

/**
 * Opens a scope for every request. Mounted once more on a route it can only shorten the time that the outer one allows.
 * Health requests pass even when the door is shut to others.
 *
 * @throws TypeError, RangeError on bad options. Requests fail with OverloadedError and ShuttingDownError.
 */
export function holdfast(options: HoldfastOptions): MiddlewareHandler<HoldfastEnv> {
  checkOptions('options', options, ['service', 'timeoutMs', 'exempt']);
  const { service, timeoutMs = Infinity, exempt } = options;
  if (typeof service?.openScope !== 'function') throw invalidType('service', 'a Service', service);
  checkTimeoutMs('timeoutMs', timeoutMs);
  checkOptionalFunction('exempt', exempt);

  return (c, next) => {
    const node = nodeBindings(c);
    let handle: ScopeHandle;
    try {
      const shed = exempt === undefined || !exempt(c.req.path);
      handle = open(service, { timeoutMs, shed }, c, node);
    } catch (refusal) {
      if (isHealthRequest(c)) return next();
      throw refusal;
    }
    c.set('holdfast', handle.scope);
    if (node === undefined) return throughWeb(c, next, handle);
    endWithNode(node, handle);
    return handle.run(next);
  };
}

/**
 * The scope of this request, where the type of the context does not know it.
 *
 * @throws Error where `holdfast()` is not mounted before this route.
 */
export function getScope(c: Context): RequestScope {
  const scope: RequestScope | undefined = c.get('holdfast');
  if (scope === undefined) throw new Error('No request scope: mount holdfast({ service }) before this route');
  return scope;
}

function open(
  service: Service,
  { timeoutMs, shed }: { readonly timeoutMs: number; readonly shed: boolean },
  c: Context,
  node: NodeBindings | undefined,
): ScopeHandle {
  const outer: RequestScope | undefined = c.get('holdfast');
  if (outer !== undefined) return service.openScope({ ...outer, timeoutMs });
  if (node === undefined) {
    const { id, deadline } = inboundScope((name) => c.req.raw.headers.get(name));
    const waitUntil = (promise: Promise<unknown>): void => executionContext(c)?.waitUntil(promise);
    return service.openScope({ id, deadline, timeoutMs, shed, waitUntil });
  }
  const { headers } = node.incoming;
  const { id, deadline } = inboundScope((name) => headers[name]?.toString());
  return service.openScope(pastTheDoor(service, node.incoming, { id, deadline, timeoutMs, shed }));
}

async function throughWeb(c: Context, next: Next, handle: ScopeHandle): Promise<void> {
  const end = new WebResponseEnd(handle, c.req.raw.signal);
  try {
    await handle.run(next);
    const sent = end.watch(c.res, c.req.method);
    c.res = undefined; // or Hono merges the headers of the two
    c.res = sent;
  } catch (error) {
    end.end();
    throw error;
  }
}

/** Hono's getter throws where the runtime has no such thing. */
function executionContext(c: Context): Pick<Context['executionCtx'], 'waitUntil'> | undefined {
  try {
    return c.executionCtx;
  } catch {
    return undefined;
  }
}
