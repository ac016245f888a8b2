import type { Place } from './change-log';
import { isGap, type Pulled, textOfKey } from './puller';

/** The outcome of an event. 'open': it is waiting or being handled, or was when the subscription ended. */
export type Outcome = 'open' | 'handled' | 'failed';

export interface Entry {
  readonly event: Pulled;
  /** Grows in event order. */
  readonly number: number;
  /** The record that it concerns; undefined: more than one. */
  readonly object: string | undefined;
  outcome: Outcome;
}

/** The end of a page: everything up to this place has been pulled. */
interface End {
  readonly event?: undefined;
  place: Place;
}

/**
 * The number of events pulled ahead of one that is still being handled; slightly more, because events come in pages.
 */
const MOST_AHEAD = 1024;

/**
 * Decides which events of a subscription may be handled at the same time. Events of one record are handled one after
 * the other, in order. An event that concerns more than one record waits for all events before it, and all later events
 * wait for it.
 */
export class Lanes {
  readonly #most: number;
  /** Entries not passed yet, in event order. */
  readonly #order: (Entry | End)[] = [];
  /** Entries behind one that waits for everything before it. */
  #held: Entry[] = [];
  /** Entries that can start, in event order. */
  readonly #ready: Entry[] = [];
  /** By record: entries that wait for the record's ready or running entry. */
  readonly #waiting = new Map<string, Entry[]>();
  /** The entry that all others wait for. */
  #alone: Entry | undefined;
  #underWay = 0;
  #added = 0;
  #onEnd: (() => void) | undefined;

  /** `most` is the number of events handled at the same time. */
  constructor(most: number) {
    this.#most = most;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get isEmpty(): boolean {
    return this.#order.length === 0;
  }

  /** Whether more events could start than are available. */
  get wantsMore(): boolean {
    return (
      this.#underWay < this.#most &&
      this.#ready.length + this.#held.length === 0 &&
      this.#order.length < MOST_AHEAD
    );
  }

  /** Adds a page of events and the place up to which it was pulled. */
  add(events: readonly Pulled[], place: Place): void {
    for (const event of events) {
      this.#added += 1;
      const entry: Entry = { event, number: this.#added, object: objectOf(event), outcome: 'open' };
      this.#order.push(entry);
      this.#held.push(entry);
    }
    const last = this.#order.at(-1);
    if (last !== undefined && last.event === undefined) last.place = place;
    else this.#order.push({ place });
    this.#admit();
  }

  /** The next entry to start; it is under way until end(). */
  next(): Entry | undefined {
    if (this.#underWay >= this.#most) return undefined;
    const entry = this.#ready.shift();
    if (entry !== undefined) this.#underWay += 1;
    return entry;
  }

  end(entry: Entry, outcome: Outcome): void {
    entry.outcome = outcome;
    this.#underWay -= 1;
    if (entry === this.#alone) this.#alone = undefined;
    else this.#follow(entry.object as string);
    this.#admit();
    this.#onEnd?.();
  }

  /** Resolves when another entry has ended. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnd = resolve;
    });
  }

  /** The next entry in order, if everything up to it is done. Each is returned once. */
  pass(): Entry | End | undefined {
    const [first] = this.#order;
    if (first === undefined || (first.event !== undefined && first.outcome === 'open')) return undefined;
    this.#order.shift();
    return first;
  }

  /** Makes the record's next entry ready, ahead of later entries. */
  #follow(object: string): void {
    const next = this.#waiting.get(object)?.shift();
    if (next === undefined) {
      this.#waiting.delete(object);
      return;
    }
    const later = this.#ready.findIndex(({ number }) => number > next.number);
    this.#ready.splice(later < 0 ? this.#ready.length : later, 0, next);
  }

  #admit(): void {
    if (this.#held.length === 0 || this.#alone !== undefined) return;
    let admitted = 0;
    for (const entry of this.#held) {
      const { object } = entry;
      if (object === undefined) {
        if (this.#waiting.size > 0) break;
        this.#alone = entry;
        this.#ready.push(entry);
        admitted += 1;
        break;
      }
      const waiting = this.#waiting.get(object);
      if (waiting !== undefined) waiting.push(entry);
      else {
        this.#waiting.set(object, []);
        this.#ready.push(entry);
      }
      admitted += 1;
    }
    this.#held = this.#held.slice(admitted);
  }
}

function objectOf(event: Pulled): string | undefined {
  if (isGap(event) || event.key === undefined) return undefined;
  return `${event.class}\0${textOfKey(event.key)}`;
}
