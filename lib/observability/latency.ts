import * as layout from '../native/layout';

/** The number of answers that took at most `upTo` ms, and longer than the previous bucket. */
export interface LatencyBucket {
  readonly upTo: number;
  readonly count: number;
}

/**
 * How long answers took: ms from when the event base received the operation until it had read the answer. Answers to
 * operations that had timed out count as well. Percentiles are upper ends of buckets, so they are at most 6.25 % too
 * high; 0 without answers.
 */
export interface LatencyStats {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** The non-empty buckets, in ascending order. */
  readonly buckets: readonly LatencyBucket[];
}

const PER_OCTAVE = layout.LATENCY_BUCKETS_PER_OCTAVE;
const BUCKETS = layout.METER_WORDS - layout.METER_LATENCY;

/** The first µs above the bucket; see native/pipeline/latency.h. */
function endOf(bucket: number): number {
  const next = bucket + 1;
  if (next < 2 * PER_OCTAVE) return next;
  return (PER_OCTAVE + (next % PER_OCTAVE)) * 2 ** (Math.floor(next / PER_OCTAVE) - 1);
}

const ENDS: readonly number[] = Array.from({ length: BUCKETS }, (_, bucket) => endOf(bucket) / 1000);

/** The buckets in the words of a meter. */
export function bucketsOf(words: Float64Array): LatencyBucket[] {
  const buckets: LatencyBucket[] = [];
  for (const [bucket, upTo] of ENDS.entries()) {
    const count = words[layout.METER_LATENCY + bucket] as number;
    if (count > 0) buckets.push({ upTo, count });
  }
  return buckets;
}

export function latencyOf(buckets: readonly LatencyBucket[]): LatencyStats {
  const count = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  const sum = buckets.reduce((total, bucket) => total + bucket.count * bucket.upTo, 0);
  return {
    count,
    mean: count === 0 ? 0 : sum / count,
    p50: percentile(buckets, count, 0.5),
    p90: percentile(buckets, count, 0.9),
    p99: percentile(buckets, count, 0.99),
    p999: percentile(buckets, count, 0.999),
    max: buckets.at(-1)?.upTo ?? 0,
    buckets,
  };
}

/** The difference between two statistics of the same server. */
export function latencySince(later: LatencyStats, earlier: LatencyStats | undefined): LatencyStats {
  const before = new Map(earlier?.buckets.map(({ upTo, count }) => [upTo, count]));
  const buckets = later.buckets.map(({ upTo, count }) => ({ upTo, count: count - (before.get(upTo) ?? 0) }));
  return latencyOf(buckets.filter(({ count }) => count > 0));
}

function percentile(buckets: readonly LatencyBucket[], count: number, share: number): number {
  let left = Math.ceil(count * share);
  for (const bucket of buckets) {
    left -= bucket.count;
    if (left <= 0) return bucket.upTo;
  }
  return 0;
}
