/** The receiver's configuration. The first bad value is an error whose one line names variable and value. */
import { failureSchedule, type FailureSchedule } from './failure-schedule.ts';

/** What a receiver runs with. */
export interface ReceiverConfig {
  readonly host: string;
  readonly port: number;
  readonly failures: FailureSchedule;
  readonly latencyMs: number;
}

/**
 * Reads the configuration: `HOST` 127.0.0.1, `PORT` 4000, `RECEIVER_FAIL` 5:1,25:2, `RECEIVER_LATENCY_MS` 0.
 *
 * @throws Error where a value is bad.
 */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): ReceiverConfig {
  const { HOST = '127.0.0.1', RECEIVER_FAIL = '5:1,25:2' } = environment;
  const failures = failureSchedule(RECEIVER_FAIL);
  if (failures === undefined)
    throw new Error(`RECEIVER_FAIL must be none, or like 5:1,25:2, got ${JSON.stringify(RECEIVER_FAIL)}`);
  return {
    host: HOST,
    port: readInteger(environment, 'PORT', 4_000, 65_535),
    failures,
    latencyMs: readInteger(environment, 'RECEIVER_LATENCY_MS', 0, 2 ** 31 - 1),
  };
}

function readInteger(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
  fallback: number,
  max: number,
): number {
  const text = environment[name] ?? String(fallback);
  if (/^\d{1,10}$/.test(text) && Number(text) <= max) return Number(text);
  throw new Error(`${name} must be a whole number from 0 to ${max}, got ${JSON.stringify(text)}`);
}
