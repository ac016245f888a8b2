/** The time of a cluster, which a test may move. */
export class ClusterClock {
  readonly #source: () => number;
  #ahead = 0;
  #lastCas = 0n;

  /** `source`: milliseconds since the Unix epoch. */
  constructor(source: () => number) {
    this.#source = source;
  }

  get milliseconds(): number {
    return this.#source() + this.#ahead;
  }

  /** Whole seconds since the Unix epoch, which expiry goes by. */
  get seconds(): number {
    return Math.floor(this.milliseconds / 1000);
  }

  travel(milliseconds: number): void {
    this.#ahead += milliseconds;
  }

  /** A new CAS: nanoseconds with their lower 16 bits taken for a counter, so that each is higher than the last. */
  nextCas(): bigint {
    const now = (BigInt(Math.floor(this.milliseconds)) * 1_000_000n) & ~0xffffn;
    this.#lastCas = now > this.#lastCas ? now : this.#lastCas + 1n;
    return this.#lastCas;
  }
}
