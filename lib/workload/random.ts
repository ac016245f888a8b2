/**
 * Small fast counter, 32 bit (sfc32, Chris Doty-Humphrey, PractRand): a seeded generator with a period of at least 2^32
 * and no known weakness in the statistical suites. For the same seed, a workload must be the same on every machine,
 * which Math.random cannot guarantee. Not for secrets.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed any finite number; both its integer part and its fraction are used. */
  constructor(seed: number) {
    const low = Math.trunc(seed) | 0;
    const high = Math.trunc(seed / 4294967296) | 0;
    const fraction = ((seed - Math.trunc(seed)) * 4294967296) | 0;
    this.#a = low;
    this.#b = high ^ 0x9e3779b9;
    this.#c = fraction ^ 0x243f6a88;
    // Neighbouring seeds start with almost equal states; the author recommends twelve rounds of mixing.
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** Uniform over 0 … 2^32 - 1. */
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1) with 32 random bits: enough to choose among few items. */
  unit(): number {
    return this.uint32() / 4294967296;
  }

  /** Uniform in [0, 1) with 53 random bits: needed when an inverse distribution function stretches the interval. */
  unit53(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** Uniform over 0 … bound - 1; bound is at most 2^32. */
  below(bound: number): number {
    return Math.floor(this.unit() * bound);
  }
}
