/** Of a record: unsigned 64 bits in two words, another after each write. */
export interface Version {
  readonly high: number;
  readonly low: number;
}

/** Not yet given: of what a transaction has written and not committed. */
export interface PendingVersion {
  high: number;
  low: number;
}

export function isSameVersion(a: Version | undefined, b: Version | undefined): boolean {
  return a?.high === b?.high && a?.low === b?.low;
}
