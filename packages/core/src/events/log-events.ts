/**
 * Events as log lines: what an operator wants to read in the order it happened, one line an event, the error behind it where
 * there is one. What no line is written for is logged at level debug with its data.
 */
import { checkFunction, checkOptions } from '../options/checks.ts';
import { subscribe, type HoldfastEvent } from './bus.ts';

/** Where the lines go; `console` is one. */
export type Logger = Pick<Console, 'debug' | 'info' | 'warn' | 'error'>;

type Level = keyof Logger;
type Data = HoldfastEvent['data'];

interface Line {
  readonly level: (data: Data) => Level;
  readonly text: (data: Data) => string;
}

/**
 * Logs every event of the process until the returned handle is disposed.
 *
 * @throws TypeError where a method of the logger is missing.
 *
 * @example
 * logEvents(console);
 */
export function logEvents(logger: Logger): Disposable {
  checkOptions('logger', logger);
  for (const level of ['debug', 'info', 'warn', 'error'] as const)
    checkFunction(`logger.${level}`, logger[level]);
  return subscribe(({ type, name, data }) => {
    const line = LINES[type];
    if (line === undefined) return logger.debug(`[${name}] ${type}`, data);
    const level = line.level(data);
    const text = `[${name}] ${line.text(data)}`;
    const error = data['error'] ?? data['reason'];
    if (error instanceof Error) logger[level](text, error);
    else logger[level](text);
  });
}

const LINES: Readonly<Record<string, Line>> = {
  'queue.item-started': debug((d) => `item started, waited ${ms(d['queueDelayMs'])}`),
  'queue.item-done': debug((d) => `item done in ${ms(d['durationMs'])}`),
  'queue.item-failed': error(() => 'item failed'),
  'queue.item-cancelled': debug(() => 'item cancelled'),
  'queue.cancelled': {
    level: (d) => (d['left'] === 0 ? 'info' : 'warn'),
    text: (d) => `cancelled with ${show(d['left'])} items inside`,
  },
  'queue.producer-failed': error(
    (d) => `producer failed${d['delayMs'] === undefined ? '' : `, goes on in ${seconds(d['delayMs'])}`}`,
  ),
  'queue.dropped': warn((d) => `${show(d['count'])} dropped (${show(d['why'])})`),
  'queue.loop-stopped': error(() => 'loop stopped by an error'),
  'task.started': debug((d) => `task ${task(d)} started`),
  'task.completed': debug((d) => `task ${task(d)} completed in ${ms(d['durationMs'])}`),
  'task.failed': error((d) => `task ${task(d)} failed`),
  'task.cancelled': debug((d) => `task ${task(d)} cancelled`),
  'tasks.waited': info(
    (d) =>
      `${show(d['completed'])} tasks completed, ${show(d['failed'])} failed, ${notCompleted(d)} did not complete`,
  ),
  'retry.scheduled': warn((d) => `${attempt(d)} failed, retrying in ${seconds(d['delayMs'])}`),
  'retry.gave-up': error((d) => `gave up after ${show(d['attempts'])} attempts (${show(d['reason'])})`),
  'circuit.opened': warn((d) => `circuit opened for ${seconds(d['breakMs'])} (${show(d['reason'])})`),
  'circuit.half-opened': info(() => 'circuit half-open, trying again'),
  'circuit.closed': info(() => 'circuit closed'),
  'circuit.isolated': warn(() => 'circuit isolated'),
  'circuit.rejected': debug((d) => `call rejected, circuit ${show(d['state'])}`),
  'bulkhead.rejected': debug(
    (d) => `call rejected, ${show(d['limit'])} running and ${show(d['queued'])} waiting`,
  ),
  'batch.done': info(
    (d) =>
      `${show(d['processed'])} processed, ${show(d['errors'])} errors, ${show(d['cancelled'])} cancelled`,
  ),
  'call.abandoned': warn(() => 'gave up on a call that still runs'),
  'job.enqueued': debug((d) => `job ${show(d['id'])} enqueued`),
  'job.started': debug(
    (d) => `job ${show(d['id'])} attempt ${show(d['attempt'])} started, waited ${ms(d['queueDelayMs'])}`,
  ),
  'job.done': debug((d) => `job ${show(d['id'])} done`),
  'job.retried': warn(
    (d) => `job ${show(d['id'])} attempt ${show(d['attempt'])} failed, retrying in ${seconds(d['delayMs'])}`,
  ),
  'job.released': info((d) => `job ${show(d['id'])} put back for ${seconds(d['delayMs'])}, nothing was sent`),
  'job.lease-lost': warn((d) => `job ${show(d['id'])} lost its lease, another worker may have it`),
  'job.unsettled': error((d) => `job ${show(d['id'])} is over, but its engine did not take that`),
  'job.dead': error((d) => `job ${show(d['id'])} is dead after ${show(d['attempts'])} attempts`),
  'pool.rejected': debug((d) => `call rejected, ${show(d['queued'])} waiting`),
  'pool.thread-crashed': error(() => 'a thread crashed'),
  'service.started': info(() => 'started'),
  'service.shutdown': info((d) => `shutting down: ${show(d['cause'])}`),
  'service.phase': info((d) => `shutdown phase ${show(d['phase'])}`),
  'service.hook-failed': error((d) => `shutdown hook ${show(d['hook'])} failed`),
  'service.report': {
    level: (d) => (d['outcome'] === 'clean' ? 'info' : 'error'),
    text: (d) => `shutdown ${show(d['outcome'])} in ${ms(d['durationMs'])}${leaked(d)}`,
  },
  'process.exiting': {
    level: (d) => (d['code'] === 0 ? 'debug' : 'warn'),
    text: (d) => `the process ends with ${show(d['code'])}${open(d['open'])}`,
  },
};

function debug(text: Line['text']): Line {
  return { level: () => 'debug', text };
}

function info(text: Line['text']): Line {
  return { level: () => 'info', text };
}

function warn(text: Line['text']): Line {
  return { level: () => 'warn', text };
}

function error(text: Line['text']): Line {
  return { level: () => 'error', text };
}

function show(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

function ms(value: unknown): string {
  return `${Math.round(Number(value))} ms`;
}

function seconds(value: unknown): string {
  return `${(Number(value) / 1_000).toFixed(1)} s`;
}

function task(data: Data): string {
  return `"${show(data['task'])}" #${show(data['id'])}`;
}

/** Which start this is of how many there may be: one more than there are retries. */
function attempt(data: Data): string {
  const starts = Number(data['maxRetries']) + 1;
  return `attempt ${show(data['attempt'])}${Number.isFinite(starts) ? `/${starts}` : ''}`;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function notCompleted(data: Data): number {
  return Number(data['cancelled']) + listOf(data['leaked']).length;
}

/** What is counted by kind. */
function open(counts: unknown): string {
  if (typeof counts !== 'object' || counts === null) return '';
  const kinds = Object.entries(counts).map(([kind, count]) => `${kind} ${show(count)}`);
  return kinds.length === 0 ? '' : `, still open: ${kinds.join(', ')}`;
}

function leaked(data: Data): string {
  const names = listOf(data['leaked']);
  return names.length === 0 ? '' : `, still running: ${names.join(', ')}`;
}
