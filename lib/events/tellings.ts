/**
 * How often the events after a position have been delivered by holders that ended before acknowledging them. Each
 * holder delivers in order from the first event on, so how far it came is all there is to know.
 */
export interface Tellings {
  /** `holders` holders delivered the first `events` events; the largest number of events comes first. */
  readonly told: readonly (readonly [events: number, holders: number])[];
  /**
   * Events in this range may have been delivered once more, by a holder that crashed before it could write that down.
   */
  readonly maybe: readonly [after: number, upTo: number];
}

/** How far a holder is, as it has written down, counted in events from its start. */
export interface Progress {
  /** Up to the position. */
  readonly passed: number;
  readonly told: number;
  /** It delivers no more than this number before it writes down a new one. */
  readonly may: number;
}

export const NEVER_TOLD: Tellings = { told: [], maybe: [0, 0] };

/** What the next holder knows after one has ended, counted from the new position. */
export function afterHolder({ told, maybe }: Tellings, { passed, ...its }: Progress): Tellings {
  const holders = new Map<number, number>();
  for (const [events, count] of [...told, [its.told, 1] as const]) {
    if (events > passed) holders.set(events - passed, (holders.get(events - passed) ?? 0) + count);
  }
  return {
    told: [...holders].sort(([a], [b]) => b - a),
    maybe: either([maybe[0] - passed, maybe[1] - passed], [its.told - passed, its.may - passed]),
  };
}

type Range = Tellings['maybe'];

/** The smallest range that covers both. */
function either(a: Range, b: Range): Range {
  const [first, ...others] = [a, b].filter(([after, upTo]) => upTo > Math.max(0, after));
  if (first === undefined) return NEVER_TOLD.maybe;
  return others.reduce<Range>(
    ([after, upTo], other) => [Math.min(after, other[0]), Math.max(upTo, other[1])],
    [Math.max(0, first[0]), first[1]],
  );
}

/** For a subscription to other events from the same position on: which of them were delivered is unknown. */
export function ofOtherEvents(tellings: Tellings): Tellings {
  return { told: [], maybe: [0, mayHaveBeenTold(tellings)] };
}

/** The number of events after the position that may have been delivered before. */
export function mayHaveBeenTold({ told, maybe }: Tellings): number {
  return Math.max(told[0]?.[0] ?? 0, maybe[1]);
}

/** How often event `number` (from 1 on) has been delivered; an uncertain delivery counts as one. */
export function timesTold({ told, maybe: [after, upTo] }: Tellings, number: number): number {
  let times = Number(number > after && number <= upTo);
  for (const [events, holders] of told) {
    if (events < number) break;
    times += holders;
  }
  return times;
}

/** After a holder that did not end well, its successor announces at most this many events individually. */
const MOST_CAREFUL = 128;
const LARGEST_WINDOW = 8192;

/**
 * How many events may be delivered before that is written down. After a crash, this many events count as possibly
 * delivered. So the window is small when few events are delivered, and grows when writing would slow delivery down.
 */
export class Allowance {
  readonly #careful: number;
  #window = 0;
  /** The number of delivered events when the window last grew. */
  #grownAt = -1;

  constructor(before: Tellings) {
    this.#careful = Math.min(mayHaveBeenTold(before), MOST_CAREFUL);
  }

  /** For a write that happens anyway, after `told` deliveries. */
  beyond(told: number): number {
    return told < this.#careful ? told : told + this.#window;
  }

  /** For a write that the next event waits for. The window grows with deliveries, not with attempts to write. */
  beyondNext(told: number): number {
    if (told >= this.#careful && told > this.#grownAt) {
      this.#window = Math.min(LARGEST_WINDOW, Math.max(1, this.#window * 2));
      this.#grownAt = told;
    }
    return Math.max(told + 1, this.beyond(told));
  }

  /** Called when nothing has been delivered for a while. */
  reset(): void {
    this.#window = 0;
    this.#grownAt = -1;
  }
}
