/** The parts of a report that are known only at the end: what became of requests, tasks and components, and what still runs. */
import type { DrainReport, RequestCounts, Stats } from '../component.ts';
import type { TaskManager, TasksReport } from '../tasks/task-manager.ts';
import type { Owned } from './owned.ts';
import type { Scopes } from './scopes.ts';

/** What a report adds to what was found on the way. */
export interface FinalCounts {
  readonly requests: RequestCounts;
  readonly tasks: TasksReport;
  readonly components: Readonly<Record<string, DrainReport>>;
  /** Whether accepted items were given up. */
  readonly lost: boolean;
  readonly leaked: readonly string[];
}

/** What is counted. */
export interface Countable {
  readonly owned: readonly Owned[];
  readonly scopes: Scopes;
  readonly tasks: TaskManager;
  /** Figures of the tasks when the shutdown began. */
  readonly tasksBefore: Stats;
  /** Who was still being opened. */
  readonly opening: string | undefined;
}

/** Counts, at the very end. */
export function finalCounts({ owned, scopes, tasks, tasksBefore, opening }: Countable): FinalCounts {
  const others = owned.filter(({ component }) => component !== tasks);
  const reports = others.filter(({ drains }) => drains).map(({ name, report }) => [name, report] as const);
  const ofTasks = owned.find(({ component }) => component === tasks)?.report.leaked ?? [];
  const ofOthers = reports.flatMap(([, { leaked }]) => leaked);
  const ofStart = opening === undefined ? [] : [opening];
  return {
    requests: requestsOf(others) ?? scopes.counts,
    tasks: tasksSince(tasksBefore, tasks.stats(), ofTasks),
    components: Object.fromEntries(reports),
    lost: others.some(({ lost }) => lost),
    leaked: [...ofTasks, ...ofOthers, ...ofStart, ...scopes.names],
  };
}

/** The sum of what servers have counted; `undefined` where none is owned. */
function requestsOf(owned: readonly Owned[]): RequestCounts | undefined {
  const servers = owned.flatMap(({ component }) => component.requests?.() ?? []);
  if (servers.length === 0) return undefined;
  const sum = { drained: 0, cancelled: 0, rejected: 0 };
  for (const { drained, cancelled, rejected } of servers) {
    sum.drained += drained;
    sum.cancelled += cancelled;
    sum.rejected += rejected;
  }
  return sum;
}

function tasksSince(before: Stats, after: Stats, leaked: readonly string[]): TasksReport {
  const since = (key: string): number => Number(after[key]) - Number(before[key]);
  return { completed: since('completed'), failed: since('failed'), cancelled: since('cancelled'), leaked };
}
