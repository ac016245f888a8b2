import type { Registration } from '../event-base/event-base';
import type { Fleet } from './fleet';

/** What calls back later. */
export interface Timers {
  timer(delay: number, callback: () => void): Registration;
}

/** Asks now and then what the names of a fleet's servers stand for. Whoever connects to one is told by its endpoint. */
export class Resolver {
  readonly #fleet: Fleet;
  readonly #timers: Timers;
  readonly #interval: number;
  #timer: Registration | undefined;

  /** `interval`: ms between two questions; Infinity: none is asked. */
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
      // One that stands for nothing yet is asked for by whoever wants to connect.
      if (endpoint.isFixed || endpoint.addresses === undefined) continue;
      endpoint.resolve().catch(() => {}); // the old addresses stay
    }
  }
}
