/**
 * Looks at how a service is deployed and says what would lose requests or end in a kill. It only reads; call it once the server
 * listens, and print what it finds.
 */
import type { Service } from '@holdfast/core';
import { checkDelayMs, checkOptions, controlOf } from '@holdfast/core/internal';
import { isDrained, type AnyServer } from '../http/drain-server.ts';
import type { HostProcess } from './host-process.ts';
import { OVERTIME_MS, isOwned } from './signal-owner.ts';

/** What to look at beside the service. */
export interface DoctorOptions {
  /** The server it listens with. */
  readonly server?: AnyServer | undefined;
  /** How long the balancer in front keeps an idle connection, in milliseconds. @default 60_000 */
  readonly balancerIdleMs?: number | undefined;
}

/** Something that is not as it should be. */
export interface Finding {
  readonly code:
    | 'grace-too-short'
    | 'keep-alive-too-short'
    | 'not-drained'
    | 'npm-in-front'
    | 'signals-not-handled';
  /** What happens because of it, and what to do. */
  readonly advice: string;
}

/**
 * Everything that is wrong; nothing where all is well.
 *
 * @example
 * for (const { advice } of doctor(service, { server })) console.warn(advice);
 *
 * @throws TypeError, RangeError on bad options.
 */
export function doctor(service: Service, options: DoctorOptions = {}): readonly Finding[] {
  return doctorOf(process, service, options);
}

/** As `doctor`, for a process that is given. */
export function doctorOf(host: HostProcess, service: Service, options: DoctorOptions): readonly Finding[] {
  checkOptions('options', options, ['server', 'balancerIdleMs']);
  const { server, balancerIdleMs = 60_000 } = options;
  checkDelayMs('balancerIdleMs', balancerIdleMs);
  const findings: Finding[] = [];
  const find = (code: Finding['code'], advice: string): void => void findings.push({ code, advice });

  if (!isOwned(host, service))
    find('signals-not-handled', 'SIGTERM ends the process at once: call handleSignals, runMain or listen');
  if (server !== undefined && !isDrained(service, server))
    find(
      'not-drained',
      'The server knows nothing of the shutdown: call drainServer before it accepts connections',
    );
  const keepAliveMs =
    server !== undefined && 'keepAliveTimeout' in server ? server.keepAliveTimeout : Infinity;
  if (keepAliveMs > 0 && keepAliveMs <= balancerIdleMs)
    find(
      'keep-alive-too-short',
      `Connections end after ${keepAliveMs} ms, while a balancer that keeps them for ${balancerIdleMs} ms still uses them: ` +
        `set keepAliveMs to ${balancerIdleMs + 5_000}`,
    );
  if (host.env['npm_lifecycle_event'] !== undefined && host.env['NODE_ENV'] === 'production')
    find(
      'npm-in-front',
      'npm stands between the orchestrator and the process, and may not hand signals on: start node itself',
    );
  const neededMs = controlOf(service).budgetMs + OVERTIME_MS;
  const graceMs = Number(host.env['TERMINATION_GRACE_SECONDS'] ?? Infinity) * 1_000;
  if (graceMs < neededMs)
    find(
      'grace-too-short',
      `The process is killed after ${graceMs} ms, and may need ${neededMs}: set terminationGracePeriodSeconds to ` +
        `${Math.ceil(neededMs / 1_000)}, or a smaller shutdown.budgetMs`,
    );
  return findings;
}
