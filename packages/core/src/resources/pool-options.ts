/** The options of a resource pool, checked and completed. */
import {
  checkDelayMs,
  checkFunction,
  checkInteger,
  checkName,
  checkOptionalFunction,
  checkOptions,
  checkTimeoutMs,
  outOfRange,
} from '../options/checks.ts';
import type { Awaitable, Work, WorkContext } from '../signal/work-context.ts';
import type { Release } from './managed.ts';

/** How a pool is made. */
export interface ResourcePoolOptions<T> {
  /** Names it in events, errors and statistics. @default 'pool' */
  readonly name?: string | undefined;
  /** Makes a resource. */
  readonly create: Work<T>;
  /** Ends a resource. */
  readonly destroy: Release<T>;
  /** Asked before an idle resource is lent: `false`, an error or a hang ends it, and the next one is tried. @default every one is fine */
  readonly check?: ((resource: T, ctx: WorkContext) => Awaitable<boolean>) | undefined;
  /** How many resources there may be. */
  readonly maxSize: number;
  /** How many are made by `open()`, and kept although idle. @default 0 */
  readonly minSize?: number | undefined;
  /** How long one beyond `minSize` may lie idle, in milliseconds. @default 30_000 */
  readonly idleMs?: number | undefined;
  /** How many callers may wait. @default Infinity */
  readonly maxQueue?: number | undefined;
  /** Longest wait of a caller who names none, in milliseconds. @default 30_000 */
  readonly maxWaitMs?: number | undefined;
  /** Longest time `create` may take, in milliseconds. @default 10_000 */
  readonly createTimeoutMs?: number | undefined;
  /** Longest time `check` may take, in milliseconds. @default 1_000 */
  readonly checkTimeoutMs?: number | undefined;
  /** Longest time that `destroy` is waited for, in milliseconds. @default 5_000 */
  readonly releaseTimeoutMs?: number | undefined;
}

/** Options with their defaults. */
export type PoolSettings<T> = Pick<ResourcePoolOptions<T>, 'check'> & {
  readonly [K in Exclude<keyof ResourcePoolOptions<T>, 'check'>]-?: Exclude<
    ResourcePoolOptions<T>[K],
    undefined
  >;
};

const KEYS = [
  'name',
  'create',
  'destroy',
  'check',
  'maxSize',
  'minSize',
  'idleMs',
  'maxQueue',
  'maxWaitMs',
  'createTimeoutMs',
  'checkTimeoutMs',
  'releaseTimeoutMs',
];

/** @throws TypeError, RangeError on bad options. */
export function checkPoolOptions<T>(options: ResourcePoolOptions<T>): PoolSettings<T> {
  checkOptions('options', options, KEYS);
  const { create, destroy, check, maxSize, name = 'pool', minSize = 0, idleMs = 30_000 } = options;
  const { maxQueue = Infinity, maxWaitMs = 30_000, createTimeoutMs = 10_000 } = options;
  const { checkTimeoutMs: checkMs = 1_000, releaseTimeoutMs = 5_000 } = options;
  checkFunction('create', create);
  checkFunction('destroy', destroy);
  checkOptionalFunction('check', check);
  checkInteger('maxSize', maxSize, 1);
  checkInteger('minSize', minSize, 0);
  if (minSize > maxSize) throw outOfRange('minSize', `at most maxSize (${maxSize})`, minSize);
  return {
    name: checkName('name', name),
    create,
    destroy,
    check,
    maxSize,
    minSize,
    idleMs: checkTimeoutMs('idleMs', idleMs),
    maxQueue: checkInteger('maxQueue', maxQueue, 0, true),
    maxWaitMs: checkDelayMs('maxWaitMs', maxWaitMs, true),
    createTimeoutMs: checkTimeoutMs('createTimeoutMs', createTimeoutMs),
    checkTimeoutMs: checkTimeoutMs('checkTimeoutMs', checkMs),
    releaseTimeoutMs: checkTimeoutMs('releaseTimeoutMs', releaseTimeoutMs),
  };
}
