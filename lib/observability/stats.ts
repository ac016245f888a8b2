import type { LatencyStats } from './latency';

/** What is counted of one server where things happen seldom. */
export interface NodeCounts {
  /** How often there was a connection to it. */
  connections: number;
  /** How often there was one again in the place of one that had ended. */
  reconnects: number;
  /** Attempts to connect that have failed. */
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

/** One server, as one event base has dealt with it since it was added. */
export interface NodeStats extends Readonly<NodeCounts> {
  /** As in `db.topology`. */
  readonly name: string;
  readonly state: string;
  /** Connections that there are, now: fewer than `connectionsPerNode` while some do not come about. */
  readonly openConnections: number;
  /** Operations that are written and not answered, now. */
  readonly inFlight: number;
  /** Operations that wait to be written, now; without those of this tick. */
  readonly queued: number;
  /** Of requests and answers, before TLS. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Answers to what reads a value (`exists` among them), and those of them that found one. */
  readonly reads: number;
  readonly hits: number;
  readonly latency: LatencyStats;
}

/** An embedded database, as it is on disk. */
export interface StorageStats {
  /** Address space of the map of its file, in bytes. */
  readonly mapBytes: number;
  /** Of the file, in bytes; free pages in it included. */
  readonly usedBytes: number;
  /** Places for readers that are taken, of all processes. */
  readonly readers: number;
  /** Commits since the database was made, of all processes. */
  readonly commits: number;
  /** Transactions in the journal of events, by their numbers, and its size in bytes; `newest` is below `oldest` when it is empty. */
  readonly journal: { readonly oldest: number; readonly newest: number; readonly bytes: number };
}

/** What a transport knows of it. */
export interface TransportStats {
  /** Operations that have not settled, now; of an embedded database those that write. */
  readonly underWay: number;
  /** Bytes of requests that wait to be written, now. */
  readonly queuedBytes: number;
  /** The servers, in the order of `db.topology`; none of an embedded database. */
  readonly nodes: readonly NodeStats[];
  /** Of an embedded database only. */
  readonly storage: StorageStats | undefined;
}

/** What an event base has done for a database so far, and what it is at. */
export interface DatabaseStats extends TransportStats {
  readonly engine: string;
  /** How often each method was called that starts an operation; those that never were are absent. */
  readonly calls: Readonly<Record<string, number>>;
}
