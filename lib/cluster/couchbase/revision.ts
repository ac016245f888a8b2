/** The version of a configuration. A number that the configuration does not contain is -1. */
export interface Revision {
  readonly epoch: bigint;
  readonly rev: bigint;
}

/** The part of a ClusterMap that decides its order. */
interface Revised {
  readonly revision: Revision;
  readonly bucket: object | undefined;
}

/** Compares by epoch, then by rev: -1 if `some` is older, 0 if they are equal. */
export function compareRevisions(some: Revision, other: Revision): -1 | 0 | 1 {
  if (some.epoch !== other.epoch) return some.epoch < other.epoch ? -1 : 1;
  if (some.rev !== other.rev) return some.rev < other.rev ? -1 : 1;
  return 0;
}

/**
 * Whether a configuration replaces the current one. A bucket's configuration always replaces the global one, never the
 * other way round; otherwise the newer one wins. A configuration without a revision is older than all others.
 */
export function supersedes(next: Revised, current: Revised | undefined): boolean {
  if (current === undefined) return true;
  const isOfBucket = next.bucket !== undefined;
  if (isOfBucket !== (current.bucket !== undefined)) return isOfBucket;
  if (next.revision.rev < 0n && current.revision.rev >= 0n) return false;
  return compareRevisions(next.revision, current.revision) > 0;
}
