// Latency samples of a run. They go to a plain array while it runs and into an HDR histogram after it: recording
// there costs as much as a cheap operation.
import { build } from 'hdr-histogram-js';

const capacity = 1 << 20;

export class Latencies {
  readonly #samples = new Float64Array(capacity);
  #count = 0;

  record(milliseconds: number): void {
    this.#samples[this.#count++ & (capacity - 1)] = milliseconds;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Microseconds. */
  percentiles(): { p50: number; p99: number } {
    const histogram = build({ highestTrackableValue: 600e9, numberOfSignificantValueDigits: 3 });
    for (const sample of this.#samples.subarray(0, Math.min(this.#count, capacity))) {
      histogram.recordValue(Math.round(sample * 1e6));
    }
    const p50 = histogram.getValueAtPercentile(50) / 1000;
    const p99 = histogram.getValueAtPercentile(99) / 1000;
    histogram.destroy();
    return { p50, p99 };
  }
}
