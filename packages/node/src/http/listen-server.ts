/**
 * What every adapter's `listen` does: signals first, so that none comes too early; then start, listen, and, when told to end, drain
 * and an exit code that says how it went.
 */
import { once } from 'node:events';
import { isHoldfastError, type Service } from '@holdfast/core';
import {
  checkInteger,
  checkName,
  checkTimeoutMs,
  controlOf,
  invalidType,
  outOfRange,
} from '@holdfast/core/internal';
import type { HostProcess } from '../process/host-process.ts';
import { processSettings, type ProcessOptions, type ProcessSettings } from '../process/process-options.ts';
import { ownerOf } from '../process/signal-owner.ts';
import { drainServer, isDrained, type AnyServer } from './drain-server.ts';

/** Where and for whom a server listens. */
export interface ListenOptions extends ProcessOptions {
  /** Started before the server listens, and in charge of the process from then on. */
  readonly service: Service;
  /** 0 takes a free one. */
  readonly port: number;
  /** @default all addresses of the machine */
  readonly host?: string | undefined;
  /**
   * How long an idle HTTP/1 connection is kept, in milliseconds. Behind a balancer it has to be longer than the balancer keeps
   * it, or the balancer uses one that is just being ended: 65_000 where that keeps it for 60 s. @default Node's own, 5_000
   */
  readonly keepAliveMs?: number | undefined;
}

/** What a framework does itself on the way to listening. */
export interface ListenSteps {
  /** Gets the application ready, between the signals and the start of the service. */
  readonly prepare?: (() => Promise<unknown>) | undefined;
  /** Listens. @default the server's own `listen` */
  readonly listen?: (() => Promise<unknown>) | undefined;
}

/**
 * Installs the signals, starts the service, and listens. A signal that comes before the server listens ends the process in order,
 * and nothing resolves any more; under `exit: 'none'` it rejects. A server that was given to `drainServer` keeps its options.
 *
 * @throws TypeError, RangeError on bad options; what starting and listening throw; ShuttingDownError (all as rejections).
 */
export async function listenServer<S extends AnyServer>(
  server: S,
  options: ListenOptions,
  steps: ListenSteps = {},
): Promise<S> {
  return listenServerOf(process, server, options, steps);
}

/** As `listenServer`, in a process that is given. */
export async function listenServerOf<S extends AnyServer>(
  host: HostProcess,
  server: S,
  options: ListenOptions,
  { prepare, listen = () => listenOn(server, options) }: ListenSteps = {},
): Promise<S> {
  const settings = processSettings(options, ['service', 'port', 'host', 'keepAliveMs']);
  const { service } = options;
  if (typeof service?.start !== 'function') throw invalidType('service', 'a Service', service);
  if (checkInteger('port', options.port, 0) > 65_535) throw outOfRange('port', 'at most 65535', options.port);
  if (options.host !== undefined) checkName('host', options.host);
  if (options.keepAliveMs !== undefined) checkTimeoutMs('keepAliveMs', options.keepAliveMs);
  if (options.keepAliveMs !== undefined && 'keepAliveTimeout' in server)
    server.keepAliveTimeout = options.keepAliveMs;

  ownerOf(host).add(service, settings);
  if (!isDrained(service, server)) drainServer(service, server);
  try {
    if (prepare !== undefined) await orFail(service, 'start', prepare);
    await service.start();
    await orFail(service, 'listen', listen);
  } catch (error) {
    return cutShort(error, settings);
  }
  return server;
}

async function listenOn(server: AnyServer, { port, host }: ListenOptions): Promise<void> {
  server.listen({ port, host });
  await once(server, 'listening');
}

/** A step that fails shuts the service down again, unless that has begun. */
async function orFail(service: Service, name: string, step: () => Promise<unknown>): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (!service.signalAt('lame-duck').aborted) await controlOf(service).fatal(name, error);
    throw error;
  }
}

/** A signal ends the process: what waits for the server has nothing more to wait for, and nothing to report. */
function cutShort(error: unknown, { exit }: ProcessSettings): Promise<never> {
  if (exit !== 'none' && isHoldfastError(error, 'SHUTTING_DOWN')) return new Promise<never>(() => {});
  throw error;
}
