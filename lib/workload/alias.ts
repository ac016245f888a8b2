import type { Random } from './random';

/** An item and its share of the whole. */
export interface Weighted<T> {
  readonly item: T;
  readonly share: number;
}

/**
 * Shares that sum to 1. Published shares are rounded and omit rare items, so they may sum to less: the rest goes to the
 * largest one. A sum above 1 (also due to rounding) is scaled down.
 *
 * @throws RangeError for no entries, a negative share or a sum of zero.
 */
export function normalise<T>(entries: readonly Weighted<T>[]): Weighted<T>[] {
  const sum = entries.reduce((total, entry) => total + entry.share, 0);
  if (!(sum > 0) || entries.some((entry) => !(entry.share >= 0))) {
    throw new RangeError('a mix needs at least one positive share and no negative one');
  }
  if (sum >= 1) return entries.map(({ item, share }) => ({ item, share: share / sum }));
  const largest = entries.reduce((best, entry) => (entry.share > best.share ? entry : best));
  return entries.map((entry) =>
    entry === largest ? { item: entry.item, share: entry.share + (1 - sum) } : { ...entry },
  );
}

/** Draws items by their shares in constant time: Walker's alias method, with tables built as in Vose (1991). */
export class AliasTable<T> {
  readonly #items: T[] = [];
  readonly #aliases: T[] = [];
  readonly #thresholds: Float64Array;

  /** @param entries are normalised first, see {@link normalise}. */
  constructor(entries: readonly Weighted<T>[]) {
    const mix = normalise(entries);
    this.#thresholds = new Float64Array(mix.length).fill(1);
    const scaled = mix.map((entry) => entry.share * mix.length);
    for (const { item } of mix) {
      this.#items.push(item);
      this.#aliases.push(item);
    }
    const small: number[] = [];
    const large: number[] = [];
    scaled.forEach((weight, index) => {
      (weight < 1 ? small : large).push(index);
    });
    for (;;) {
      const under = small.pop();
      const over = large.pop();
      // When one side is empty, only rounding errors are left: those columns keep their threshold of 1.
      if (under === undefined || over === undefined) break;
      const weight = scaled[under] ?? 1;
      this.#thresholds[under] = weight;
      this.#aliases[under] = this.#items[over] as T;
      const left = (scaled[over] ?? 1) - (1 - weight);
      scaled[over] = left;
      (left < 1 ? small : large).push(over);
    }
  }

  sample(random: Random): T {
    const column = random.unit() * this.#items.length;
    const index = Math.floor(column);
    // The fraction is independent of the column, so one draw serves both choices.
    const chosen = column - index < (this.#thresholds[index] ?? 1) ? this.#items : this.#aliases;
    return chosen[index] as T;
  }
}
