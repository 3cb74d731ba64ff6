/**
 * How the event loop is: how busy, how long blocked, and by whom. As a component it makes readiness `degraded` while the loop is
 * overloaded and refuses a part of new requests at the door, before they queue up. Own it before the service starts.
 */
import {
  monitorEventLoopDelay,
  performance,
  type EventLoopUtilization,
  type IntervalHistogram,
} from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { OverloadedError, type Component, type ComponentHealth, type Stats } from '@holdfast/core';
import {
  checkBetween,
  checkBoolean,
  checkName,
  checkOptions,
  checkRate,
  checkTimeoutMs,
  emit,
  now,
  observed,
} from '@holdfast/core/internal';
import { BlockTracer, type Block } from './block-tracer.ts';
import { Overload, type LoopSample } from './overload.ts';

/** How the loop is watched. */
export interface LoopMonitorOptions {
  /** Names it in events, health and statistics. @default 'loop' */
  readonly name?: string | undefined;
  /** How often it is looked at, in milliseconds. @default 500 */
  readonly sampleMs?: number | undefined;
  /** Utilization above which, twice in a row, the loop is overloaded; it recovers a tenth below. @default 0.95 */
  readonly maxUtilization?: number | undefined;
  /** Longest block above which, twice in a row, the loop is overloaded, in milliseconds. @default 500 */
  readonly maxDelayMs?: number | undefined;
  /** Whether requests are refused while the loop is overloaded. @default true */
  readonly shed?: boolean | undefined;
  /** Tells who blocked the loop for this long, in milliseconds; meant for development. @default off */
  readonly traceBlocksMs?: number | undefined;
}

/** How exact delays are, in milliseconds. */
const RESOLUTION_MS = 10;

const KEYS = ['name', 'sampleMs', 'maxUtilization', 'maxDelayMs', 'shed', 'traceBlocksMs'];

/**
 * Watches the event loop of the thread it is opened in.
 *
 * @example
 * service.own(new LoopMonitor());
 */
export class LoopMonitor implements Component, AsyncDisposable {
  readonly name: string;
  readonly #sampleMs: number;
  readonly #shed: boolean;
  readonly #traceBlocksMs: number | undefined;
  readonly #overload: Overload;
  #delays: IntervalHistogram | undefined;
  #utilization: EventLoopUtilization | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #tracer: BlockTracer | undefined;
  #last: LoopSample & { readonly delayP999Ms: number } = { utilization: 0, delayMs: 0, delayP999Ms: 0 };
  #lookedAt = 0;
  #rejected = 0;

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: LoopMonitorOptions = {}) {
    checkOptions('options', options, KEYS);
    const { name = 'loop', sampleMs = 500, maxUtilization = 0.95, maxDelayMs = 500, shed = true } = options;
    this.name = checkName('name', name);
    this.#sampleMs = checkBetween('sampleMs', sampleMs, RESOLUTION_MS, 60_000);
    this.#shed = checkBoolean('shed', shed);
    this.#traceBlocksMs = options.traceBlocksMs;
    if (options.traceBlocksMs !== undefined)
      checkBetween('traceBlocksMs', options.traceBlocksMs, RESOLUTION_MS, 60_000);
    this.#overload = new Overload({
      maxUtilization: checkRate('maxUtilization', maxUtilization),
      maxDelayMs: checkTimeoutMs('maxDelayMs', maxDelayMs),
    });
  }

  /** Starts watching; nothing of it keeps the process alive. */
  open(): void {
    if (this.#timer !== undefined) return;
    this.#delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#delays.enable();
    this.#utilization = performance.eventLoopUtilization();
    this.#lookedAt = now();
    this.#timer = setInterval(() => this.#look(), this.#sampleMs).unref();
    if (this.#traceBlocksMs !== undefined)
      this.#tracer = new BlockTracer(this.#traceBlocksMs, (block) => this.#tell(block));
  }

  /** Refuses a part of new work while the loop is overloaded: the more, the busier it is. */
  overload(): OverloadedError | undefined {
    if (!this.#shed || !this.#overload.active || Math.random() >= this.#overload.share) return undefined;
    this.#rejected += 1;
    return new OverloadedError('The event loop is overloaded', {
      retryAfterMs: 1_000 * (1 + Math.floor(Math.random() * 5)), // said in whole seconds, and jittered over all five
    });
  }

  health(): ComponentHealth {
    if (!this.#overload.active) return { status: 'up' };
    const { utilization, delayMs } = this.#last;
    return {
      status: 'degraded',
      detail: `busy ${Math.round(utilization * 100)} %, blocked up to ${Math.round(delayMs)} ms`,
    };
  }

  stats(): Stats {
    const { used_heap_size: heapUsedBytes, external_memory: externalBytes } = getHeapStatistics();
    const { utilization, delayMs, delayP999Ms } = this.#last;
    return {
      utilization,
      delayMaxMs: delayMs,
      delayP999Ms,
      heapUsedBytes,
      externalBytes,
      overloaded: this.#overload.active,
      rejected: this.#rejected,
    };
  }

  /** Stops watching. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#delays?.disable();
    await this.#tracer?.stop();
  }

  #look(): void {
    const delays = this.#delays;
    if (delays === undefined) return;
    const utilization = performance.eventLoopUtilization();
    const since = performance.eventLoopUtilization(utilization, this.#utilization);
    this.#utilization = utilization;
    // after a reset the histogram misses what blocks at once; then this very look is late
    const at = now();
    const lateMs = at - this.#lookedAt - this.#sampleMs;
    this.#lookedAt = at;
    this.#last = {
      utilization: since.utilization,
      delayMs: Math.max(lateMs, beyond(delays.max)),
      delayP999Ms: beyond(delays.percentile(99.9)),
    };
    delays.reset();
    const before = this.#overload.active;
    this.#overload.take(this.#last);
    const after = this.#overload.active;
    if (before === after || !observed()) return;
    emit(after ? 'loop.overloaded' : 'loop.recovered', this.name, { ...this.#last });
  }

  #tell(block: Block): void {
    if (observed()) emit('loop.blocked', this.name, { ...block });
    else
      console.warn(
        `The event loop was blocked for ${Math.round(block.durationMs)} ms by\n  ${block.stack.join('\n  ')}`,
      );
  }
}

/** The delay in milliseconds of a timer that should have fired after the resolution; of none, it is 0. */
function beyond(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1_000_000 - RESOLUTION_MS);
}
