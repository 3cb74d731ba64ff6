/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What a service can own, recognised by its shape: the four verbs (close > drain > cancel > dispose), health and statistics, and
 * the door through which the owning service lets new work in.
 */
import type { OverloadedError } from './errors/limit-errors.ts';
import type { ShuttingDownError } from './errors/lifecycle-errors.ts';
import type { Awaitable, CallOptions, WorkContext } from './signal/work-context.ts';

/** How long a drain may take. */
export interface DrainOptions extends CallOptions {
  /** Longest wait in milliseconds; what is left then is in the report. @default Infinity */
  readonly timeoutMs?: number | undefined;
}

/** What a drain achieved. */
export interface DrainReport {
  /** Whether everything accepted was finished. */
  readonly drained: boolean;
  /** How many items or calls were not. */
  readonly left: number;
  /** Names of what still runs although it was aborted. */
  readonly leaked: readonly string[];
}

/** Figures of a component, flat and printable. */
export type Stats = Readonly<Record<string, string | number | boolean | undefined>>;

/** Whether a component can do its work. */
export interface ComponentHealth {
  readonly status: 'up' | 'degraded' | 'down';
  readonly detail?: string | undefined;
}

/** How many requests a server finished, cut and refused since its service began to shut down. */
export interface RequestCounts {
  readonly drained: number;
  readonly cancelled: number;
  readonly rejected: number;
}

/** Anything a service can own. Only the name is required; the service uses what is there. */
export interface Component {
  /** Unique within its service. */
  readonly name: string;
  /** Makes it ready; `service.start()` calls it. */
  open?(ctx: WorkContext): Awaitable<void>;
  /** Accepts no more and keeps what was accepted; idempotent. */
  close?(): Awaitable<void>;
  /**
   * Waits until everything accepted is finished. After `cancel` it waits until what was aborted has stopped; what is `left` then
   * was accepted and is lost.
   */
  drain?(options?: DrainOptions): Promise<DrainReport>;
  /** Aborts what is running or waiting, with `reason`. A server's turn comes after everything else had time to answer. */
  cancel?(reason?: unknown): void;
  /** Figures for `/metrics` and dashboards. */
  stats?(): Awaitable<Stats>;
  /** Contributes to readiness. */
  health?(ctx: WorkContext): Awaitable<ComponentHealth>;
  /** Asked synchronously at the door of every request: an error sheds it. */
  overload?(): OverloadedError | undefined;
  /** For servers: what became of requests during the shutdown. */
  requests?(): RequestCounts;
  /** Releases everything for good. */
  [Symbol.asyncDispose]?(): PromiseLike<void>;
}

/** The phases of a shutdown, in order. */
export type ShutdownPhase = 'lame-duck' | 'intake' | 'drain' | 'cancel' | 'close' | 'flush';

/** How an owned component asks its service whether new work may come in. */
export interface Door {
  /** The service; executions it tracks are owned by it. */
  readonly owner: object;
  /** The refusal for new work, or `undefined` to let it in. Work tracked by the service passes, by the context it carries. */
  refusal(options: CallOptions | undefined): ShuttingDownError | undefined;
  /** Aborts when the phase begins. */
  signalAt(phase: ShutdownPhase): AbortSignal;
}

/** Key of the method by which a service hands its door to what it owns. */
export const ADOPT: unique symbol = Symbol.for('holdfast.adopt');

/** A component that asks at its service's door. */
export interface Adoptable {
  [ADOPT](door: Door): void;
}
