/** Versions of NATS servers. */

/** Major, minor and patch. */
export type Version = readonly [major: number, minor: number, patch: number];

/** Reads what a server says of itself, such as `2.10.6-RC.1`; what is missing is 0. */
export function readVersion(text: string): Version {
  const [major = 0, minor = 0, patch = 0] = text.split(/[.-]/u).map((part) => Number(part) || 0);
  return [major, minor, patch];
}

/** Whether `one` came before `other`. */
export function isOlder(one: Version, other: Version): boolean {
  for (const [at, part] of one.entries()) if (part !== other[at]) return part < (other[at] ?? 0);
  return false;
}
