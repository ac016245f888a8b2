import { isDate } from 'node:util/types';
import { OverflowError, PositionLostError } from '../errors';
import { type ChangeCursor, type ChangeLog, type Fragment, type Place, WHOLE } from './change-log';
import type { Draft, Filter } from './filter';
import { formatPosition, isLater, placeIn, positionsIn } from './position';
import type { GapEvent } from './types';

/** What to do when more events have been committed than a subscription may have waiting. */
export type Overflow = 'spill' | 'dropOldest' | 'latest' | 'error';

export type Pulled = Draft | GapEvent;

export function isGap(event: Pulled): event is GapEvent {
  return event.kind === 'gap';
}

/** Where a subscription gets its events from. */
export interface Source {
  readonly place: Place;
  readonly isAtEnd: boolean;
  pull(): Pulled[];
  /** Releases its resources. */
  end?(): void;
}

/** The approximate size of one read, small enough that its memory and time do not affect others. */
const PAGE_EVENTS = 512;
const PAGE_FRAGMENTS = 1024;
const PAGE_BYTES = 1 << 20;

/**
 * Reads the events of a subscription from the log on demand, so that waiting events take no memory. Transactions come
 * whole, except very large ones, which come in pieces.
 */
export class Puller implements Source {
  readonly #log: ChangeLog;
  readonly #filter: Filter;
  readonly #overflow: Overflow;
  readonly #most: number;
  #cursor: ChangeCursor;
  #place: Place;
  /** For a transaction that comes in pieces: its number of events, and how many have been delivered. */
  #toldInPart: Place | undefined;
  #isAtEnd = false;
  #onEnd: (() => void) | undefined;
  #large: { count: number; told: number } | undefined;

  /** `most` is how many events may wait, for overflow behaviours with a limit. */
  constructor(log: ChangeLog, filter: Filter, after: Place, overflow: Overflow, most: number) {
    this.#log = log;
    this.#filter = filter;
    this.#overflow = overflow;
    this.#most = most;
    this.#place = after;
    this.#toldInPart = after.part === undefined ? undefined : after;
    this.#cursor = log.cursor(after);
  }

  /** Everything up to here has been pulled. */
  get place(): Place {
    return this.#place;
  }

  /** Whether the last look found no further commits. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /**
   * The next events. An empty array means that there are none or, when not at the end, that nothing in this page
   * matched. After PositionLostError or OverflowError there are no more events.
   */
  pull(): Pulled[] {
    switch (this.#overflow) {
      case 'spill':
        return this.#page();
      case 'error':
        return this.#limited();
      case 'dropOldest':
        return this.#newestKept();
      case 'latest':
        return this.#latest();
    }
  }

  /** Calls back when the subscription ends. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback;
  }

  end(): void {
    this.#onEnd?.();
    this.#onEnd = undefined;
  }

  /** Continues at another place. */
  skipTo(place: Place): void {
    this.#place = place;
    this.#cursor = this.#log.cursor(place);
    this.#large = undefined;
  }

  #page(): Draft[] {
    const events: Draft[] = [];
    let bytes = 0;
    for (let i = 0; i < PAGE_FRAGMENTS && events.length < PAGE_EVENTS && bytes < PAGE_BYTES; i += 1) {
      let fragment: Fragment | undefined;
      try {
        fragment = this.#next();
      } catch (error) {
        if (events.length === 0) throw error;
        break; // what was read before the error is delivered first
      }
      if (fragment === undefined) break;
      bytes += fragment.size;
      this.#read(fragment, events);
    }
    return events;
  }

  #next(): Fragment | undefined {
    const fragment = this.#cursor.next();
    this.#isAtEnd = fragment === undefined;
    if (fragment === undefined) return undefined;
    const { seq, first, count, isLast } = fragment;
    this.#place = { seq, index: isLast ? WHOLE : first + count - 1 };
    return fragment;
  }

  #read(fragment: Fragment, into: Draft[]): void {
    const { seq, first, count, isLast } = fragment;
    const end = isLast ? first + count - 1 : -1;
    const positionAt = positionsIn(this.#log.epoch, seq);
    const from = into.length;
    this.#filter.eventsOf(
      fragment,
      (index, part) => positionAt(index === end && part === undefined ? WHOLE : index, part),
      into,
    );
    this.#leaveOutTold(into, from);
    const found = into.length - from;
    if (!isLast && this.#large === undefined)
      this.#large = { count: found + this.#countRest(fragment), told: 0 };
    if (found > 0) {
      const { origin, meta } = fragment;
      const time = new Date(fragment.time);
      const number = BigInt(seq);
      const count = this.#large?.count ?? found;
      const told = this.#large?.told ?? 0;
      for (let i = 0; i < found; i += 1) {
        const index = told + i;
        const last = index === count - 1;
        (into[from + i] as Draft).transaction = { seq: number, time, origin, meta, index, count, last };
      }
      if (this.#large !== undefined) this.#large.told += found;
    }
    if (isLast) this.#large = undefined;
  }

  /** When it started within an update that yields several events, removes those that were delivered before. */
  #leaveOutTold(events: Draft[], from: number): void {
    const told = this.#toldInPart;
    if (told === undefined || events.length === from) return;
    this.#toldInPart = undefined;
    const next = events.findIndex(({ position }, i) => i >= from && isLater(placeIn(position), told));
    events.splice(from, (next < 0 ? events.length : next) - from);
  }

  /** The number of events of the fragment still to be delivered. */
  #countIn(fragment: Fragment): number {
    const told = this.#toldInPart;
    if (told?.seq !== fragment.seq) return this.#filter.countIn(fragment);
    const events = this.#filter.eventsOf(fragment, positionsIn(this.#log.epoch, fragment.seq));
    return events.filter(({ position }) => isLater(placeIn(position), told)).length;
  }

  /** The number of events in the later pieces of a transaction. */
  #countRest({ seq, first, count }: Fragment): number {
    const cursor = this.#log.cursor({ seq, index: first + count - 1 });
    let rest = 0;
    for (let each = cursor.next(); each !== undefined && each.seq === seq; each = cursor.next()) {
      rest += this.#filter.countIn(each);
      if (each.isLast) break;
    }
    return rest;
  }

  #limited(): Draft[] {
    const before = this.#place;
    const lag = this.#lag(this.#most);
    if (lag > this.#most) {
      const resumeFrom = formatPosition(this.#log.epoch, before);
      throw new OverflowError(`more than ${this.#most} events wait for the subscription`, {
        context: { resumeFrom },
      });
    }
    return this.#page();
  }

  /** The number of waiting events; may stop counting above `most`. */
  #lag(most: number): number {
    const cursor = this.#log.cursor(this.#place);
    let lag = 0;
    for (let each = cursor.next(); each !== undefined && lag <= most; each = cursor.next())
      lag += this.#countIn(each);
    return lag;
  }

  /** Reports lost events as a gap without a number, because they are no longer kept. */
  #newestKept(): Pulled[] {
    const from = formatPosition(this.#log.epoch, this.#place);
    try {
      return this.#newest();
    } catch (error) {
      if (!(error instanceof PositionLostError)) throw error;
    }
    this.skipTo({ seq: this.#log.head().oldest - 1, index: WHOLE });
    const to = formatPosition(this.#log.epoch, this.#place);
    const [first, ...rest] = this.#newest();
    const gap: GapEvent = { kind: 'gap', from, to, dropped: undefined };
    if (first === undefined) return [gap];
    return isGap(first) ? [{ ...gap, to: first.to }, ...rest] : [gap, first, ...rest];
  }

  /** Drops whole transactions, the oldest first, while too many events wait, and puts a gap in their place. */
  #newest(): Pulled[] {
    if (this.#large !== undefined) return this.#page();
    const from = this.#place;
    const cursor = this.#log.cursor(from);
    const sizes: { readonly place: Place; readonly count: number }[] = [];
    let waiting = 0;
    let current = 0;
    for (let each = cursor.next(); each !== undefined; each = cursor.next()) {
      current += this.#countIn(each);
      if (!each.isLast) continue;
      sizes.push({ place: { seq: each.seq, index: WHOLE }, count: current });
      waiting += current;
      current = 0;
    }
    let dropped = 0;
    let to = from;
    for (const { place, count } of sizes) {
      if (waiting <= this.#most) break;
      waiting -= count;
      dropped += count;
      to = place;
    }
    if (dropped === 0) return this.#page();
    this.skipTo(to);
    const { epoch } = this.#log;
    const gap: GapEvent = {
      kind: 'gap',
      from: formatPosition(epoch, from),
      to: formatPosition(epoch, to),
      dropped,
    };
    return [gap, ...this.#page()];
  }

  /** The last event of each record, with the number of events it stands for. */
  #latest(): Pulled[] {
    const latest = new Map<string, Draft & { coalesced: number }>();
    while (latest.size < this.#most) {
      const page = this.#page();
      if (this.#isAtEnd && page.length === 0) break;
      for (const event of page) {
        const name = identityOf(event);
        const coalesced = (latest.get(name)?.coalesced ?? 0) + 1;
        latest.delete(name); // moves the entry to the place of its last event
        latest.set(name, { ...event, coalesced });
      }
    }
    return [...latest.values()];
  }
}

function identityOf(event: Draft): string {
  return `${event.class}\0${event.field ?? ''}\0${event.key === undefined ? event.kind : textOfKey(event.key)}`;
}

/** The same text for equal keys of a class, and different texts for different keys. */
export function textOfKey(key: unknown): string {
  return Array.isArray(key) ? JSON.stringify(key.map(textOfKey)) : String(isDate(key) ? +key : key);
}
