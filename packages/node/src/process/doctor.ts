/**
 * Looks at how a service is deployed and says what would lose requests or end in a kill, and how Kubernetes should be told of it. It
 * only reads; call it once the server listens, and print what it says.
 */
import { Server as TlsServer } from 'node:tls';
import type { Service } from '@holdfast/core';
import { checkDelayMs, checkOptions, controlOf, invalidType, outOfRange } from '@holdfast/core/internal';
import { isDrained, type AnyServer } from '../http/drain-server.ts';
import type { HostProcess } from './host-process.ts';
import { gracePeriodSeconds, kubernetesPatch, type PodFacts } from './kubernetes-patch.ts';
import { OVERTIME_MS, isOwned } from './signal-owner.ts';

/** What to look at beside the service. */
export interface DoctorOptions {
  /** The server it listens with. */
  readonly server?: AnyServer | undefined;
  /** The application of a framework, whose own options may stand in the way: a Nest application. */
  readonly app?: object | undefined;
  /** How long the balancer in front keeps an idle connection, in milliseconds. @default 60_000 */
  readonly balancerIdleMs?: number | undefined;
  /** How long the balancer may send work here after the end of the instance was decided, in milliseconds. @default 5_000 */
  readonly balancerLearnsMs?: number | undefined;
  /** Longest time the start may take before the startup probe gives up, in milliseconds. @default 60_000 */
  readonly startTimeoutMs?: number | undefined;
  /** What the paths of the health routes begin with. @default '', the root */
  readonly healthPath?: string | undefined;
}

/** Something that is not as it should be. */
export interface Finding {
  readonly code:
    | 'delay-beyond-budget'
    | 'grace-too-short'
    | 'hook-without-timeout'
    | 'keep-alive-too-short'
    | 'lame-duck-too-short'
    | 'not-drained'
    | 'npm-in-front'
    | 'rejects-while-closing'
    | 'signals-not-handled';
  /** What happens because of it, and what to do. */
  readonly advice: string;
}

/** What the doctor says. */
export interface Diagnosis {
  /** Everything that is wrong; nothing where all is well. */
  readonly findings: readonly Finding[];
  /** The patch for the Deployment that fits the service's budget and lame duck, as YAML. */
  readonly kubernetes: string;
  /** All of it as one YAML document, the findings as comments. */
  toString(): string;
}

const KEYS = ['server', 'app', 'balancerIdleMs', 'balancerLearnsMs', 'startTimeoutMs', 'healthPath'];

/**
 * Says what will bite, and what Kubernetes should know.
 *
 * @example
 * console.log(String(doctor(service, { server })));
 *
 * @throws TypeError, RangeError on bad options.
 */
export function doctor(service: Service, options: DoctorOptions = {}): Diagnosis {
  return doctorOf(process, service, options);
}

/** As `doctor`, for a process that is given. */
export function doctorOf(host: HostProcess, service: Service, options: DoctorOptions): Diagnosis {
  checkOptions('options', options, KEYS);
  const patient = { host, service, options, facts: factsOf(service, options) };
  const findings = [
    ...aboutProcess(patient),
    ...aboutServer(patient),
    ...aboutTimes(patient),
    ...aboutPlace(patient),
  ];
  const kubernetes = kubernetesPatch(patient.facts);
  const comments = findings.map(({ code, advice }) => `# ${code}: ${advice.replaceAll(/\s+/g, ' ')}\n`);
  return { findings, kubernetes, toString: () => [...comments, kubernetes].join('') };
}

interface Patient {
  readonly host: HostProcess;
  readonly service: Service;
  readonly options: DoctorOptions;
  readonly facts: PodFacts;
}

function factsOf(service: Service, options: DoctorOptions): PodFacts {
  const { server, app, balancerLearnsMs = 5_000, startTimeoutMs = 60_000, healthPath = '' } = options;
  if (server !== undefined && typeof server?.address !== 'function')
    throw invalidType('server', 'a server', server);
  if (app !== undefined && !isObject(app)) throw invalidType('app', 'an application', app);
  checkDelayMs('balancerLearnsMs', balancerLearnsMs);
  checkDelayMs('startTimeoutMs', startTimeoutMs);
  if (typeof healthPath !== 'string') throw invalidType('healthPath', 'a path', healthPath);
  if (healthPath !== '' && !/^\/.*[^/]$/.test(healthPath))
    throw outOfRange('healthPath', 'a path that begins with a slash and does not end with one', healthPath);
  const { budgetMs, lateBalancerMs } = controlOf(service).plan;
  const address = server?.address();
  return {
    name: service.name,
    budgetMs,
    lameDuckMs: lateBalancerMs,
    balancerLearnsMs,
    startTimeoutMs,
    port: typeof address === 'object' && address !== null ? address.port : 'http',
    scheme: server instanceof TlsServer ? 'HTTPS' : 'HTTP',
    healthPath,
  };
}

function* aboutProcess({ host, service }: Patient): Generator<Finding> {
  const fate = host.pid === 1 ? 'does nothing to process 1' : 'ends the process at once';
  if (!isOwned(host, service))
    yield {
      code: 'signals-not-handled',
      advice: `SIGTERM ${fate}: call handleSignals, runMain or listen`,
    };
  const isDeployed = host.env['NODE_ENV'] === 'production' || host.ppid === 1;
  if (host.env['npm_lifecycle_event'] !== undefined && isDeployed)
    yield {
      code: 'npm-in-front',
      advice:
        'npm stands between the orchestrator and the process, and may not hand signals on: start node itself',
    };
}

function* aboutServer({ service, options }: Patient): Generator<Finding> {
  const { server, app, balancerIdleMs = 60_000 } = options;
  checkDelayMs('balancerIdleMs', balancerIdleMs);
  if (server !== undefined && !isDrained(service, server))
    yield {
      code: 'not-drained',
      advice: 'The server knows nothing of the shutdown: call drainServer before it accepts connections',
    };
  const keepAliveMs =
    server !== undefined && 'keepAliveTimeout' in server ? server.keepAliveTimeout : Infinity;
  if (keepAliveMs > 0 && keepAliveMs <= balancerIdleMs)
    yield {
      code: 'keep-alive-too-short',
      advice:
        `Connections end after ${keepAliveMs} ms, while a balancer that keeps them for ${balancerIdleMs} ms still uses them: ` +
        `set keepAliveMs to ${balancerIdleMs + 5_000}`,
    };
  if (rejectsWhileClosing(app))
    yield {
      code: 'rejects-while-closing',
      advice:
        'From the moment app.close() closes Nest every request gets 503, also those that the balancer still sends: leave ' +
        'return503OnClosing off, drainServer refuses what comes too late',
    };
}

/** Nest keeps the options it was created with. */
function rejectsWhileClosing(app: object | undefined): boolean {
  const created: unknown = app === undefined ? undefined : Reflect.get(app, 'appOptions');
  return isObject(created) && Reflect.get(created, 'return503OnClosing') === true;
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function* aboutTimes({ service }: Patient): Generator<Finding> {
  const control = controlOf(service);
  const { budgetMs, caps, cutMs, lateBalancerMs, lameDuckCutMs } = control.plan;
  if (lameDuckCutMs > 0)
    yield {
      code: 'delay-beyond-budget',
      advice:
        `A lame duck of ${caps['lame-duck'] + lameDuckCutMs} ms does not fit into a shutdown of ${budgetMs} ms, and was cut to ` +
        `${caps['lame-duck']} ms: set a larger shutdown.budgetMs`,
    };
  const phasesMs =
    Math.max(caps['lame-duck'], lateBalancerMs) + caps.intake + caps.drain + caps.cancel + caps.close;
  if (phasesMs > cutMs)
    yield {
      code: 'delay-beyond-budget',
      advice:
        `The phases before the flush may take ${Math.ceil(phasesMs)} ms, and at ${Math.floor(cutMs)} ms the flush begins: what is closed last will not be ` +
        'closed. Set a larger shutdown.budgetMs, or shorter shutdown.phases',
    };
  for (const { kind, name, timeoutMs, runs } of control.steps())
    if (runs && timeoutMs >= budgetMs)
      yield {
        code: 'hook-without-timeout',
        advice: `The ${kind} "${name}" may hang until its phase is over (timeoutMs ${timeoutMs}): set one below ${budgetMs}`,
      };
}

function* aboutPlace({ host, facts }: Patient): Generator<Finding> {
  const { budgetMs, lameDuckMs, balancerLearnsMs } = facts;
  if (host.env['KUBERNETES_SERVICE_HOST'] !== undefined && lameDuckMs < balancerLearnsMs)
    yield {
      code: 'lame-duck-too-short',
      advice:
        `The balancer may send work for ${balancerLearnsMs} ms, and the service takes it for ${lameDuckMs} ms: set ` +
        "shutdown.phases['lame-duck'], or let the container sleep in preStop",
    };
  const neededMs = budgetMs + OVERTIME_MS;
  const graceMs = Number(host.env['TERMINATION_GRACE_SECONDS'] || Infinity) * 1_000; // set to nothing it says nothing
  if (graceMs < neededMs)
    yield {
      code: 'grace-too-short',
      advice:
        `The process is killed after ${graceMs} ms, and may need ${neededMs}: set terminationGracePeriodSeconds to ` +
        `${gracePeriodSeconds(facts)}, or a smaller shutdown.budgetMs`,
    };
}
