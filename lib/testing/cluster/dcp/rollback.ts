import type { FailoverEntry } from '../vbucket';

/** The position at which a client resumes. The snapshot is the one that contains `start`. */
export interface Resumption {
  readonly start: bigint;
  readonly uuid: bigint;
  readonly snapshotStart: bigint;
  readonly snapshotEnd: bigint;
  /** Purged tombstones do not cause a rollback. */
  readonly ignoresPurges: boolean;
  /** An unknown uuid causes a rollback even if `start` is 0. */
  readonly isStrict: boolean;
}

export interface History {
  /** Newest first. */
  readonly failoverLog: readonly FailoverEntry[];
  readonly high: bigint;
  readonly purged: bigint;
}

/** The seqno that a client has to roll back to, by the rules of kv_engine's `docs/dcp`; undefined: it can resume. */
export function rollbackOf(
  resumption: Resumption,
  { failoverLog, high, purged }: History,
): bigint | undefined {
  const { start, uuid, ignoresPurges, isStrict } = resumption;
  if (start === 0n && (uuid === 0n || !isStrict)) return undefined;
  const index = failoverLog.findIndex((entry) => entry.uuid === uuid);
  if (index === -1) return 0n;
  // A client that has all of a snapshot, or none of it, is between two snapshots.
  const snapshotStart = start === resumption.snapshotEnd ? start : resumption.snapshotStart;
  const snapshotEnd = start === resumption.snapshotStart ? start : resumption.snapshotEnd;
  if (snapshotStart < purged && start !== 0n && !ignoresPurges) return 0n;
  const upper = failoverLog[index - 1]?.seqno ?? high;
  if (snapshotEnd <= upper) return undefined;
  return snapshotStart > upper ? upper : snapshotStart;
}
