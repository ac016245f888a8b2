import type { Weighted } from '../workload/alias';
import type { LatencySummary } from '../workload/latency';
import type { OperationKind } from '../workload/operation';

/** The result of one run of a workload. {@link UNITS} has the units. */
export interface Measurement {
  readonly workload: string;
  /** The shares of the commands, which sum to 1, and mean sizes. */
  readonly mix: readonly Weighted<OperationKind>[];
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly seconds: number;
  /** Answered operations, including refusals but not fills. */
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
    /** For each operation, fill or eviction, including generation, clock and histogram. */
    readonly perOperation: number | undefined;
    /** The part of it for generation, clock and histogram. */
    readonly ofWorkload: number;
  };
  /** Writes in response to misses, in addition to the mix. */
  readonly fills: number;
  /** Removals in place of the server's eviction, in addition to the mix. */
  readonly evictions: number;
  /** The number of keys to store before the run, and the number stored. */
  readonly residents: number;
  readonly prefilled: number;
  /** Negative answers by code, which are normal for a cache. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Failures by code, and the message of the first one of each. */
  readonly errors: Readonly<Record<string, number>>;
  readonly messages: Readonly<Record<string, string>>;
  /** Profile columns that the source does not state. */
  readonly assumed: readonly string[];
  /** The run ended early. */
  readonly interrupted: boolean;
}

/** The units of a {@link Measurement}, for readers of a JSON report. Fields not listed are counts, shares or texts. */
export const UNITS = {
  seconds: 's',
  operationsPerSecond: '1/s',
  latency: 'µs',
  'cpu.perOperation': 'µs',
  'cpu.ofWorkload': 'µs',
  keyBytes: 'byte',
  valueBytes: 'byte',
} as const;
