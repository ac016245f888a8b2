// What a measuring child is asked (one JSON argument) and what it answers (one JSON line on stdout).

export type Operation = 'get' | 'set' | 'mix' | 'getmany' | 'replay';

export interface LoadRequest {
  contender: string;
  host: string;
  /** One a server. */
  ports: number[];
  /** The authority of the servers' certificates, in PEM form; connections are encrypted then. */
  authority: string | undefined;
  /** Store every key once and end, instead of measuring. */
  preload: boolean;
  operation: Operation;
  /** Operations in flight; for `getmany`, batches. */
  depth: number;
  batch: number;
  keyPrefix: string;
  keyCount: number;
  valueSize: number;
  /** The server gives back what was stored; the canned one does not. */
  stores: boolean;
  /** The cluster whose traffic `replay` imitates. */
  workload: string;
  pendingTimers: number;
  warmupSeconds: number;
  seconds: number;
}

/** Times in microseconds, memory in bytes. An operation is a key, also within a batch. */
export interface Measurement {
  operations: number;
  seconds: number;
  operationsPerSecond: number;
  cpuPerOperation: number;
  p50: number;
  p99: number;
  idleRss: number;
  peakRss: number;
}
