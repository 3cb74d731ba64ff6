/**
 * Health and metrics as a web-standard handler, for any framework and any mount point: the last segment of the path decides.
 * `/livez` says whether to restart (200 until the service has stopped), `/startupz` whether it has come to run (200 from then on),
 * `/readyz` whether to send work (503 from the first moment of a shutdown), `/metrics` gives every component's figures as
 * Prometheus text.
 */
import { controlOf } from '../service/control.ts';
import type { HealthReport } from '../service/health-report.ts';
import type { Service } from '../service/service.ts';
import { prometheusText } from './metrics.ts';

/** Answers GET and HEAD on `…/livez`, `…/startupz`, `…/readyz` and `…/metrics`; 404 elsewhere, 405 for other methods. */
export function healthHandler(service: Service): (request: Request) => Promise<Response> {
  return async (request) => {
    const route = ROUTES.get(lastSegment(request.url) ?? '');
    if (route === undefined) return problem(404, 'Not Found');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return problem(405, 'Method Not Allowed', { allow: 'GET, HEAD' });
    const response = await route(service);
    return request.method === 'HEAD' ? new Response(null, response) : response;
  };
}

const NO_STORE = { 'cache-control': 'no-store' };

type Route = (service: Service) => Response | Promise<Response>;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['livez', livez],
  ['startupz', startupz],
  ['readyz', readyz],
  ['metrics', metrics],
]);

function livez(service: Service): Response {
  const live = service.state !== 'stopped';
  return Response.json({ status: live ? 'up' : 'down' }, { status: live ? 200 : 503, headers: NO_STORE });
}

function startupz(service: Service): Response {
  const { started } = controlOf(service);
  return Response.json(
    { status: started ? 'up' : 'starting' },
    { status: started ? 200 : 503, headers: NO_STORE },
  );
}

async function readyz(service: Service): Promise<Response> {
  if (isLeaving(service)) return Response.json({ status: 'draining' }, { status: 503, headers: NO_STORE });
  const report = await service.health();
  const body = { status: isLeaving(service) ? 'draining' : statusOf(report), components: report.components };
  return Response.json(body, { status: report.ready ? 200 : 503, headers: NO_STORE });
}

async function metrics(service: Service): Promise<Response> {
  const own = { scopes: controlOf(service).scopes };
  const text = prometheusText(service.name, own, await service.stats());
  return new Response(text, {
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', ...NO_STORE },
  });
}

function isLeaving({ state }: Service): boolean {
  return state === 'draining' || state === 'closing' || state === 'stopped';
}

function statusOf({ ready, state, components }: HealthReport): string {
  if (!ready) return state === 'starting' || state === 'created' ? 'starting' : 'down';
  return Object.values(components).some(({ status }) => status === 'degraded') ? 'degraded' : 'up';
}

function lastSegment(url: string): string | undefined {
  return new URL(url).pathname.split('/').findLast((segment) => segment !== '');
}

function problem(status: number, title: string, headers: Readonly<Record<string, string>> = {}): Response {
  const body = JSON.stringify({ type: 'about:blank', title, status });
  return new Response(body, { status, headers: { 'content-type': 'application/problem+json', ...headers } });
}
