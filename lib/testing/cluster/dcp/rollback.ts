import type { FailoverEntry } from '../vbucket';

/** Where a stream is to go on. The snapshot is the one that the client has `start` from. */
export interface Resumption {
  readonly start: bigint;
  readonly uuid: bigint;
  readonly snapshotStart: bigint;
  readonly snapshotEnd: bigint;
  /** Deletions that have been forgotten are no reason to begin anew. */
  readonly ignoresPurges: boolean;
  /** A uuid that is not known is one even to those who have nothing yet. */
  readonly isStrict: boolean;
}

export interface History {
  /** Newest first. */
  readonly failoverLog: readonly FailoverEntry[];
  readonly high: bigint;
  readonly purged: bigint;
}

/** The seqno that a client has to go back to, by the rules of kv_engine's `docs/dcp`; undefined: it may go on. */
export function rollbackOf(
  resumption: Resumption,
  { failoverLog, high, purged }: History,
): bigint | undefined {
  const { start, uuid, ignoresPurges, isStrict } = resumption;
  if (start === 0n && (uuid === 0n || !isStrict)) return undefined;
  const index = failoverLog.findIndex((entry) => entry.uuid === uuid);
  if (index === -1) return 0n;
  // Who has all of a snapshot, or nothing of it, is between two.
  const snapshotStart = start === resumption.snapshotEnd ? start : resumption.snapshotStart;
  const snapshotEnd = start === resumption.snapshotStart ? start : resumption.snapshotEnd;
  if (snapshotStart < purged && start !== 0n && !ignoresPurges) return 0n;
  const upper = failoverLog[index - 1]?.seqno ?? high;
  if (snapshotEnd <= upper) return undefined;
  return snapshotStart > upper ? upper : snapshotStart;
}
