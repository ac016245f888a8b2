import { performanceNow } from '../platform';

/** The version of a record that somebody else is to renew, and when that was seen first; performanceNow()'s ms. */
interface Taken {
  readonly casHigh: number;
  readonly casLow: number;
  readonly since: number;
}

const MOST_KEPT = 1000;

/**
 * Stale records that somebody else has promised to renew. The server has no time for that: who has promised may have died, or was
 * somebody who only read it. So whoever goes on seeing the promise remembers since when.
 */
export class TakenClaims {
  readonly #taken = new Map<string, Taken>();

  /** It is there, and nobody has to renew it. */
  forget(key: string): void {
    if (this.#taken.size > 0) this.#taken.delete(key);
  }

  /** Whether this version has been as it is for longer than `lease` seconds; then it is forgotten. */
  isOverdue(key: string, { casHigh, casLow }: Pick<Taken, 'casHigh' | 'casLow'>, lease: number): boolean {
    const known = this.#taken.get(key);
    const now = performanceNow();
    if (known === undefined || known.casHigh !== casHigh || known.casLow !== casLow) {
      this.#keep(key, { casHigh, casLow, since: now });
      return false;
    }
    if (now - known.since < lease * 1000) return false;
    this.#taken.delete(key);
    return true;
  }

  #keep(key: string, taken: Taken): void {
    this.#taken.delete(key);
    this.#taken.set(key, taken);
    if (this.#taken.size <= MOST_KEPT) return;
    for (const oldest of this.#taken.keys()) {
      this.#taken.delete(oldest);
      return;
    }
  }
}
