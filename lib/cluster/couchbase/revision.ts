/** Which of two configurations is the newer one. Either is -1 where the configuration does not tell it. */
export interface Revision {
  readonly epoch: bigint;
  readonly rev: bigint;
}

/** What is known of a ClusterMap before it is looked into. */
interface Revised {
  readonly revision: Revision;
  readonly bucket: object | undefined;
}

/** By epoch, then by rev: less than 0 where `some` is older, 0 where they are the same. */
export function compareRevisions(some: Revision, other: Revision): -1 | 0 | 1 {
  if (some.epoch !== other.epoch) return some.epoch < other.epoch ? -1 : 1;
  if (some.rev !== other.rev) return some.rev < other.rev ? -1 : 1;
  return 0;
}

/**
 * Whether a configuration takes the place of another one. A bucket's always takes that of the cluster's own, and never the other
 * way round; otherwise the newer does. One without a revision is older than all that have one.
 */
export function supersedes(next: Revised, current: Revised | undefined): boolean {
  if (current === undefined) return true;
  const isOfBucket = next.bucket !== undefined;
  if (isOfBucket !== (current.bucket !== undefined)) return isOfBucket;
  if (next.revision.rev < 0n && current.revision.rev >= 0n) return false;
  return compareRevisions(next.revision, current.revision) > 0;
}
