import type { LatencyStats } from './latency';

/** Counters of one server for rare events. */
export interface NodeCounts {
  /** Connections established. */
  connections: number;
  /** Connections established to replace one that had ended. */
  reconnects: number;
  /** Failed attempts to connect. */
  connectErrors: number;
  timeouts: number;
  retries: number;
  errors: number;
}

export const nodeCounts = (): NodeCounts => ({
  connections: 0,
  reconnects: 0,
  connectErrors: 0,
  timeouts: 0,
  retries: 0,
  errors: 0,
});

/** One server, as seen by one event base since the server was added. */
export interface NodeStats extends Readonly<NodeCounts> {
  /** As in `db.topology`. */
  readonly name: string;
  readonly state: string;
  /** Currently established connections; fewer than `connectionsPerNode` while connecting fails. */
  readonly openConnections: number;
  /** Operations currently written but not answered. */
  readonly inFlight: number;
  /** Operations currently waiting to be written, without those of this tick. */
  readonly queued: number;
  /** Bytes of requests and answers, before TLS. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Answers to operations that read a value (including `exists`), and how many of them found one. */
  readonly reads: number;
  readonly hits: number;
  readonly latency: LatencyStats;
}

/** The storage of an embedded database. */
export interface StorageStats {
  /** The address space mapped for the file, in bytes. */
  readonly mapBytes: number;
  /** The size of the file in bytes, including its free pages. */
  readonly usedBytes: number;
  /** Reader slots in use, by all processes. */
  readonly readers: number;
  /** Commits since the database was created, by all processes. */
  readonly commits: number;
  /**
   * The transaction numbers in the event journal, and its size in bytes. `newest` is less than `oldest` when the
   * journal is empty.
   */
  readonly journal: { readonly oldest: number; readonly newest: number; readonly bytes: number };
}

/** The part of the statistics that the transport provides. */
export interface TransportStats {
  /** Operations currently unsettled; for an embedded database, writes only. */
  readonly underWay: number;
  /** Bytes of requests currently waiting to be written. */
  readonly queuedBytes: number;
  /** The servers, in the order of `db.topology`; empty for an embedded database. */
  readonly nodes: readonly NodeStats[];
  /** undefined except for an embedded database. */
  readonly storage: StorageStats | undefined;
}

/** What an event base has done for a database so far, and its current state. */
export interface DatabaseStats extends TransportStats {
  readonly engine: string;
  /** The number of calls of each method that starts an operation; methods never called are absent. */
  readonly calls: Readonly<Record<string, number>>;
}
