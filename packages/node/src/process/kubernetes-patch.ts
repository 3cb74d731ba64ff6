/**
 * What Kubernetes has to know of a service, as a patch for its Deployment: how long it may take to leave, when it has started, when
 * to restart it, when to send work, and, where its own lame duck is shorter than the balancer takes to learn, for how long the
 * container sleeps before it hears SIGTERM.
 */

/** What the patch is worked out from. */
export interface PodFacts {
  readonly name: string;
  readonly budgetMs: number;
  /** How long the service serves on after SIGTERM. */
  readonly lameDuckMs: number;
  /** How long others may still send work here after the end of the pod was decided. */
  readonly balancerLearnsMs: number;
  readonly startTimeoutMs: number;
  /** A number, or the name of a port of the container. */
  readonly port: number | string;
  readonly scheme: 'HTTP' | 'HTTPS';
  /** What the paths of the health routes begin with. */
  readonly healthPath: string;
}

/** Between the end of the budget and the kill. */
const RESERVE_S = 5;
const STARTUP_PERIOD_S = 2;

/** How long the container has to sleep before SIGTERM, in seconds: for as much as the lame duck does not cover. */
function preStopSeconds({ balancerLearnsMs, lameDuckMs }: PodFacts): number {
  return Math.max(0, Math.ceil((balancerLearnsMs - lameDuckMs) / 1_000));
}

/** The shortest grace period in which the shutdown can end by itself, in whole seconds. */
export function gracePeriodSeconds(facts: PodFacts): number {
  return preStopSeconds(facts) + Math.ceil(facts.budgetMs / 1_000) + RESERVE_S;
}

/** The patch, as YAML. */
export function kubernetesPatch(facts: PodFacts): string {
  const { name, startTimeoutMs } = facts;
  const starting = Math.max(1, Math.ceil(startTimeoutMs / 1_000 / STARTUP_PERIOD_S));
  const lines = [
    'spec:',
    '  template:',
    '    spec:',
    `      terminationGracePeriodSeconds: ${gracePeriodSeconds(facts)} # ${sumOf(facts)}`,
    '      containers:',
    `        - name: ${JSON.stringify(containerName(name))}`,
    ...preStop(facts),
    ...probe(facts, 'startup', '/startupz', { periodSeconds: STARTUP_PERIOD_S, failureThreshold: starting }),
    ...probe(facts, 'liveness', '/livez', { periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3 }),
    ...probe(facts, 'readiness', '/readyz', { periodSeconds: 5, timeoutSeconds: 1, failureThreshold: 2 }),
  ];
  return `${lines.join('\n')}\n`;
}

function sumOf(facts: PodFacts): string {
  const sleep = preStopSeconds(facts);
  const parts = [
    ...(sleep > 0 ? [`${sleep} s of preStop`] : []),
    `${facts.budgetMs / 1_000} s of shutdown`,
    `${RESERVE_S} s of reserve`,
  ];
  return parts.join(', ');
}

function preStop(facts: PodFacts): readonly string[] {
  const seconds = preStopSeconds(facts);
  if (seconds === 0)
    return [
      `          # no preStop: the lame duck of ${facts.lameDuckMs / 1_000} s serves on, and tells clients to leave`,
    ];
  return [
    '          lifecycle:',
    '            preStop:',
    '              sleep:',
    `                seconds: ${seconds}`,
  ];
}

function probe(
  { healthPath, port, scheme }: PodFacts,
  kind: string,
  path: string,
  times: Readonly<Record<string, number>>,
): readonly string[] {
  return [
    `          ${kind}Probe:`,
    '            httpGet:',
    `              path: ${JSON.stringify(healthPath + path)}`,
    `              port: ${JSON.stringify(port)}`,
    ...(scheme === 'HTTPS' ? ['              scheme: HTTPS'] : []),
    ...Object.entries(times).map(([name, value]) => `            ${name}: ${value}`),
  ];
}

/** The name of a container is a DNS label. */
function containerName(service: string): string {
  const label = service
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, '');
  return label === '' ? 'app' : label;
}
