/** The clock of a cluster, which a test can move forward. */
export class ClusterClock {
  readonly #source: () => number;
  #ahead = 0;
  #lastCas = 0n;
  #lastTime = 0;

  /** `source`: milliseconds since the Unix epoch. */
  constructor(source: () => number) {
    this.#source = source;
  }

  get milliseconds(): number {
    return this.#source() + this.#ahead;
  }

  /** Whole seconds since the Unix epoch, used for expiry. */
  get seconds(): number {
    return Math.floor(this.milliseconds / 1000);
  }

  travel(milliseconds: number): void {
    this.#ahead += milliseconds;
  }

  /** A new CAS, higher than all before: nanoseconds whose lower 16 bits are a counter. */
  nextCas(): bigint {
    const time = Math.floor(this.milliseconds);
    if (time === this.#lastTime) {
      this.#lastCas += 1n;
      return this.#lastCas;
    }
    this.#lastTime = time;
    const now = (BigInt(time) * 1_000_000n) & ~0xffffn;
    this.#lastCas = now > this.#lastCas ? now : this.#lastCas + 1n;
    return this.#lastCas;
  }
}
