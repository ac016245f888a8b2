import type { Registration, Timers } from '../event-base/event-base';
import type { Fleet } from './fleet';

/** Periodically resolves the names of a fleet's servers. Their endpoints notify the connections. */
export class Resolver {
  readonly #fleet: Fleet;
  readonly #timers: Timers;
  readonly #interval: number;
  #timer: Registration | undefined;

  /** `interval` is the time between two lookups in ms; Infinity: no lookups. */
  constructor(fleet: Fleet, timers: Timers, interval: number) {
    this.#fleet = fleet;
    this.#timers = timers;
    this.#interval = interval;
    this.#wait();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #wait(): void {
    if (this.#interval !== Number.POSITIVE_INFINITY)
      this.#timer = this.#timers.timer(this.#interval, () => this.#ask());
  }

  #ask(): void {
    this.#wait();
    for (const { endpoint } of this.#fleet.map.members) {
      // A name that was never resolved is resolved by the first connection attempt.
      if (endpoint.isFixed || endpoint.addresses === undefined) continue;
      endpoint.resolve().catch(() => {}); // the old addresses stay
    }
  }
}
