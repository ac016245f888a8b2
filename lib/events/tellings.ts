/**
 * How often the events after a position have been told, by holders that ended before they were acknowledged. A holder
 * tells them in their order from the first on, so that how far it came says all.
 */
export interface Tellings {
  /** So many events were told by so many holders; those that came furthest first. */
  readonly told: readonly (readonly [events: number, holders: number])[];
  /** Those after this many, up to that many, may have been told once more: a holder that crashed did not come to say. */
  readonly maybe: readonly [after: number, upTo: number];
}

/** What a holder has written down of how far it is, in events from where it began. */
export interface Progress {
  /** Up to the position. */
  readonly passed: number;
  readonly told: number;
  /** It tells no more than that before it has written down another number. */
  readonly may: number;
}

export const NEVER_TOLD: Tellings = { told: [], maybe: [0, 0] };

/** What the next holder knows when one has ended: as of the position by then. */
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

/** The events of one range or the other, and those between them. */
function either(a: Range, b: Range): Range {
  const [first, ...others] = [a, b].filter(([after, upTo]) => upTo > Math.max(0, after));
  if (first === undefined) return NEVER_TOLD.maybe;
  return others.reduce<Range>(
    ([after, upTo], other) => [Math.min(after, other[0]), Math.max(upTo, other[1])],
    [Math.max(0, first[0]), first[1]],
  );
}

/** Of other events after the same position: which of them were told is not known. */
export function ofOtherEvents(tellings: Tellings): Tellings {
  return { told: [], maybe: [0, mayHaveBeenTold(tellings)] };
}

/** So many events from the position on may have been told before. */
export function mayHaveBeenTold({ told, maybe }: Tellings): number {
  return Math.max(told[0]?.[0] ?? 0, maybe[1]);
}

/** How often the event of this number, from 1 on, has been told; where that is not known, it counts as once. */
export function timesTold({ told, maybe: [after, upTo] }: Tellings, number: number): number {
  let times = Number(number > after && number <= upTo);
  for (const [events, holders] of told) {
    if (events < number) break;
    times += holders;
  }
  return times;
}

/** Of so many events a successor of one that did not end well writes down each before it tells it. */
const MOST_CAREFUL = 128;
const LARGEST_WINDOW = 8192;

/**
 * How many events may be told before that is written down. Whoever comes after a crash goes by this number, so it is
 * small where little is told, and grows where writing it would hold up.
 */
export class Allowance {
  readonly #careful: number;
  #window = 0;
  /** How many had been told when the window grew last. */
  #grownAt = -1;

  constructor(before: Tellings) {
    this.#careful = Math.min(mayHaveBeenTold(before), MOST_CAREFUL);
  }

  /** For a write that is made anyway, when so many have been told. */
  beyond(told: number): number {
    return told < this.#careful ? told : told + this.#window;
  }

  /** For a write that the next event waits for. The window grows with what is told, not with each attempt to write. */
  beyondNext(told: number): number {
    if (told >= this.#careful && told > this.#grownAt) {
      this.#window = Math.min(LARGEST_WINDOW, Math.max(1, this.#window * 2));
      this.#grownAt = told;
    }
    return Math.max(told + 1, this.beyond(told));
  }

  /** Nothing has been told for a while. */
  reset(): void {
    this.#window = 0;
    this.#grownAt = -1;
  }
}
