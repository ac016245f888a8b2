import { performanceNow } from '../platform';

/**
 * The version of a record that another client has claimed, and when it was first seen, as a time of performanceNow() in
 * ms.
 */
interface Taken {
  readonly casHigh: number;
  readonly casLow: number;
  readonly since: number;
}

const MOST_KEPT = 1000;

/**
 * Stale records that another client has claimed. The server sets no time limit for such a claim, although the client
 * may have died or only read the record. Therefore each client remembers since when it has seen the claim.
 */
export class TakenClaims {
  readonly #taken = new Map<string, Taken>();

  /** The record is not claimed any more. */
  forget(key: string): void {
    if (this.#taken.size > 0) this.#taken.delete(key);
  }

  /** Whether this version has been seen for longer than `lease` seconds; if so, it is forgotten. */
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
