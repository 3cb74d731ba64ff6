/**
 * The relay, wired up to where a framework begins: one service that owns the store, the queue, the policies and the pools, opens
 * them together, delivers what earlier runs left, and serves a table of routes.
 */
import { Service, type ServiceOptions, type ShutdownReport } from '@holdfast/core';
import { bridge } from '@holdfast/node';
import { AuditTrail } from './audit-trail.ts';
import { Deliveries } from './deliveries.ts';
import type * as DigestSync from './digest.sync.ts';
import type { RelayConfig } from './environment.ts';
import { Handlers } from './handlers.ts';
import { Intake } from './intake.ts';
import { Outcomes } from './outcomes.ts';
import type { RequestError } from './request-error.ts';
import type { RelayRequest } from './requests.ts';
import { Resources } from './resources.ts';
import { notServed, routesOf, type Route } from './routes.ts';
import { Store } from './store.ts';

/** How the relay's service is to be made, for whoever makes it. */
export function serviceOptions(config: RelayConfig): ServiceOptions {
  return {
    name: 'relay',
    tasks: { maxTasks: 10_000 }, // one for each request whose event is being admitted
    shutdown: {
      budgetMs: config.shutdownBudgetMs,
      phases: { 'lame-duck': config.lameDuckMs },
      onReport: (report) => console.log(`shutdown report ${reportLine(report)}`),
    },
  };
}

/** A relay, put together. Nothing is opened before its service starts. */
export class Relay {
  readonly service: Service;
  readonly config: RelayConfig;
  /** What the routes do, for a wiring that names them. */
  readonly handlers: Handlers;
  /** The same as a table, for a wiring that mounts it. */
  readonly routes: readonly Route[];

  constructor(config: RelayConfig, service: Service = new Service(serviceOptions(config))) {
    const { dataDirectory: directory, maxAttempts, queueUrl } = config;
    const shared = queueUrl !== 'memory:';
    const store = new Store({ directory, shared, maxAttempts });
    const digests = bridge<typeof DigestSync>(new URL('./digest.sync.js', import.meta.url), {
      name: 'digests',
      maxThreads: config.digestWorkers,
      maxQueue: config.digestQueue,
    });
    const outcomes = new Outcomes(shared ? (ids) => store.settled(ids) : undefined);
    const deliveries = new Deliveries(store, outcomes, config);
    const { queue, subscribers } = deliveries;
    service.own(
      new Resources([store, digests, queue], () => {
        deliveries.start();
        if (shared) deliveries.handBack(service.signalAt('drain'));
        service.tasks.spawn((ctx) => deliveries.recover(ctx), {
          name: 'recovery',
          atShutdown: 'cancel',
          signal: service.signalAt('lame-duck'),
        });
      }),
    );
    service.own(store);
    service.own(digests);
    service.own(subscribers);
    service.own(queue, { dependsOn: ['store', 'subscribers'] }); // closed before what its handlers use

    const intake = new Intake(store, deliveries, new AuditTrail(store, service.tasks));
    this.service = service;
    this.config = config;
    this.handlers = new Handlers({ config, store, deliveries, intake, outcomes, digests });
    this.routes = routesOf(this.handlers);
  }

  /** The error that answers a request which no route serves. */
  notServed(request: RelayRequest): RequestError {
    return notServed(this.routes, request);
  }
}

/** The report in one line of JSON, for people: errors by their message, durations to a tenth. */
function reportLine(report: ShutdownReport): string {
  return JSON.stringify(report, (_, value: unknown) => {
    if (typeof value === 'number') return Math.round(value * 10) / 10;
    return value instanceof Error ? value.message : value;
  });
}
