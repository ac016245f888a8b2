/** The version of a record: an unsigned 64-bit number in two words, different after each write. */
export interface Version {
  readonly high: number;
  readonly low: number;
}

/** The version of an uncommitted write, assigned at the commit. */
export interface PendingVersion {
  high: number;
  low: number;
}

export function isSameVersion(a: Version | undefined, b: Version | undefined): boolean {
  return a?.high === b?.high && a?.low === b?.low;
}
