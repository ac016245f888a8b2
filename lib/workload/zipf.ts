import type { Random } from './random';

/** Within this distance from exponent 1, the integral is computed as the logarithm to which it converges. */
const NEARLY_ONE = 1e-7;

/**
 * Samples ranks 1 … n with probability proportional to rank^-exponent, in constant time and memory for any n.
 *
 * Rejection-inversion after W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone
 * discrete distributions", ACM TOMACS 6(3), 1996. It draws from the continuous hat x^-exponent by inverting its
 * integral, and rejects the few points outside the histogram; more than 3 of 4 draws are accepted for every exponent.
 * Exponent 0 is the uniform distribution.
 */
export class Zipf {
  readonly n: number;
  readonly exponent: number;
  readonly #oneMinus: number;
  readonly #integralLow: number;
  readonly #integralHigh: number;
  readonly #shortcut: number;

  /**
   * @param n the number of ranks, an integer from 1 to 2^50.
   * @param exponent any finite number >= 0.
   */
  constructor(n: number, exponent: number) {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 50)
      throw new RangeError(`n must be an integer in 1 … 2^50, not ${n}`);
    if (!(exponent >= 0) || exponent === Infinity)
      throw new RangeError(`the exponent must be >= 0, not ${exponent}`);
    this.n = n;
    this.exponent = exponent;
    this.#oneMinus = 1 - exponent;
    this.#integralLow = this.#integral(1.5) - 1;
    this.#integralHigh = this.#integral(n + 0.5);
    this.#shortcut = 2 - this.#inverse(this.#integral(2.5) - this.#density(2));
  }

  sample(random: Random): number {
    for (;;) {
      const u = this.#integralHigh + random.unit53() * (this.#integralLow - this.#integralHigh);
      const x = this.#inverse(u);
      const rank = Math.min(Math.max(Math.round(x), 1), this.n);
      // The first test accepts most draws without computing another power.
      if (rank - x <= this.#shortcut || u >= this.#integral(rank + 0.5) - this.#density(rank)) return rank;
    }
  }

  #density(x: number): number {
    return x ** -this.exponent;
  }

  /** The integral of the density from 1 to x. */
  #integral(x: number): number {
    const p = this.#oneMinus;
    return Math.abs(p) < NEARLY_ONE ? Math.log(x) : (x ** p - 1) / p;
  }

  #inverse(y: number): number {
    const p = this.#oneMinus;
    if (Math.abs(p) < NEARLY_ONE) return Math.exp(y);
    // For a steep distribution, rounding may push the base slightly below zero at the far end.
    return Math.max(1 + y * p, 0) ** (1 / p);
  }
}
