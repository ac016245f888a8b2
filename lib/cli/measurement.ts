import type { Weighted } from '../workload/alias';
import type { LatencySummary } from '../workload/latency';
import type { OperationKind } from '../workload/operation';

/** What one run of a workload measured. {@link UNITS} are the units of what has one. */
export interface Measurement {
  readonly workload: string;
  /** Shares of the commands, which sum to 1, and mean sizes. */
  readonly mix: readonly Weighted<OperationKind>[];
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly seconds: number;
  /** Answered operations, refusals included; fills are not among them. */
  readonly operations: number;
  readonly operationsPerSecond: number;
  readonly byKind: Readonly<Record<string, number>>;
  readonly reads: number;
  readonly hitRatio: number | undefined;
  readonly missRatio: number | undefined;
  readonly expectedMissRatio: number;
  readonly latency: LatencySummary;
  readonly cpu: {
    readonly scope: string;
    /** An operation, fill or eviction; generation, clock and histogram included. */
    readonly perOperation: number | undefined;
    /** How much of it generation, clock and histogram are. */
    readonly ofWorkload: number;
  };
  /** Writes that answered misses on top of the mix. */
  readonly fills: number;
  /** Removals on top of the mix, in place of the server's eviction. */
  readonly evictions: number;
  /** Keys that were to be stored before the run, and were. */
  readonly residents: number;
  readonly prefilled: number;
  /** Answers that said no, by code: part of a cache's normal life. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Failures by code, and what the first of each said. */
  readonly errors: Readonly<Record<string, number>>;
  readonly messages: Readonly<Record<string, string>>;
  /** Columns of the profile that the source does not state. */
  readonly assumed: readonly string[];
  /** The run was ended early. */
  readonly interrupted: boolean;
}

/** Units of a {@link Measurement}, for the reader of a JSON report. What is not named is a count, a share or a text. */
export const UNITS = {
  seconds: 's',
  operationsPerSecond: '1/s',
  latency: 'µs',
  'cpu.perOperation': 'µs',
  'cpu.ofWorkload': 'µs',
  keyBytes: 'byte',
  valueBytes: 'byte',
} as const;
