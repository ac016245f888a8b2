import { build, type Histogram } from 'hdr-histogram-js';

/** Latencies up to this many microseconds are counted in an array of one slot each. */
const DIRECT = 16_384;
const HOUR_US = 3_600_000_000;

export interface LatencySummary {
  /** Microseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
  readonly count: number;
}

/**
 * Latencies in an HDR histogram (three significant digits, one microsecond to one hour).
 *
 * Recording into the histogram itself costs about 90 ns, as much as generating an operation; nearly every latency of
 * a cache is below 16 ms and costs an array increment here, entered into the histogram when somebody asks.
 */
export class LatencyRecorder {
  readonly #direct = new Uint32Array(DIRECT);
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HOUR_US,
    numberOfSignificantValueDigits: 3,
  });
  #max = 0;

  /** @param microseconds fractions are cut off. */
  record(microseconds: number): void {
    const slot = Math.trunc(microseconds);
    if (slot > this.#max) this.#max = slot;
    if (slot < DIRECT) this.#direct[slot] = (this.#direct[slot] ?? 0) + 1;
    else this.#histogram.recordValue(Math.min(slot, HOUR_US));
  }

  summary(): LatencySummary {
    this.#direct.forEach((count, slot) => {
      if (count > 0) this.#histogram.recordValueWithCount(slot, count);
    });
    this.#direct.fill(0);
    const histogram = this.#histogram;
    // The histogram answers with the upper end of a bucket; no percentile may exceed what was really seen.
    const at = (percentile: number) => Math.min(histogram.getValueAtPercentile(percentile), this.#max);
    return {
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: this.#max,
      mean: histogram.totalCount === 0 ? 0 : histogram.mean,
      count: histogram.totalCount,
    };
  }
}
