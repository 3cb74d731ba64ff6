/**
 * What a job handler is given. A context may be passed on as options, also to an enqueue; what it says of its own job (the id, and
 * how often that is tried) is not meant for the next one, so it carries a note by which `enqueue` tells the two apart. Headers do
 * travel on: that is how a trace follows a chain of jobs.
 */
import type { ItemContext } from '../queue/handle-item.ts';
import { extendContext, type Awaitable, type WorkContext } from '../signal/work-context.ts';

/** What a job handler receives. */
export interface JobContext extends ItemContext {
  /** The job's id: an idempotency key, the same at every start. */
  readonly id: string;
  /** How many starts may follow the first. */
  readonly maxRetries: number;
  /** Whether the job was handed to a worker before, also where that spent no attempt: its effects may be half there. */
  readonly redelivered: boolean;
  /** What the producer sent along, such as trace context. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Does the work of one job. */
export type JobHandler<T> = (payload: T, ctx: JobContext) => Awaitable<void>;

/** Key of the note; own and enumerable on the context, so that it survives `{ ...ctx }`. */
const JOB: unique symbol = Symbol('holdfast.job');

type JobFacts = Omit<JobContext, keyof WorkContext>;

/** Adds what a job knows of itself to the context of its start. */
export function createJobContext(context: WorkContext, facts: JobFacts): JobContext {
  return extendContext(context, { ...facts, [JOB]: facts });
}

/** The job whose context `options` is, or was spread from. */
export function jobBehind(options: object): Pick<JobContext, 'id' | 'maxRetries'> | undefined {
  return Reflect.get(options, JOB);
}
