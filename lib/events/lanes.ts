import type { Place } from './change-log';
import { isGap, type Pulled, textOfKey } from './puller';

/** What became of an event; 'open': it is waiting or being handled, or was when the subscription ended. */
export type Outcome = 'open' | 'handled' | 'failed';

export interface Entry {
  readonly event: Pulled;
  /** Grows in the order of the events. */
  readonly number: number;
  /** The record that it is of; undefined: it concerns more than one. */
  readonly object: string | undefined;
  outcome: Outcome;
}

/** The end of what was pulled at once: everything up to there has been pulled. */
interface End {
  readonly event?: undefined;
  place: Place;
}

/** So many events are pulled ahead of one that is still being handled; a few more, since they come in pages. */
const MOST_AHEAD = 1024;

/**
 * Which events of a subscription may be handled at the same time: of each record one after the other, in their order.
 * What concerns more than one record waits for everything before it, and everything after waits for that.
 */
export class Lanes {
  readonly #most: number;
  /** Not yet passed, in the order of the events. */
  readonly #order: (Entry | End)[] = [];
  /** Behind something that waits for all before it. */
  #held: Entry[] = [];
  /** Those that can begin, in the order of the events. */
  readonly #ready: Entry[] = [];
  /** By record: what waits for the event of it that is ready or under way. */
  readonly #waiting = new Map<string, Entry[]>();
  /** What all others wait for. */
  #alone: Entry | undefined;
  #underWay = 0;
  #added = 0;
  #onEnd: (() => void) | undefined;

  /** `most` are handled at a time. */
  constructor(most: number) {
    this.#most = most;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get isEmpty(): boolean {
    return this.#order.length === 0;
  }

  /** Whether more could begin than there is. */
  get wantsMore(): boolean {
    return (
      this.#underWay < this.#most &&
      this.#ready.length + this.#held.length === 0 &&
      this.#order.length < MOST_AHEAD
    );
  }

  /** What was pulled, and up to where. */
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

  /** The next that begins; it is under way until end(). */
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

  /** Resolves when one more has ended. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnd = resolve;
    });
  }

  /** The next thing, of those that were added, that everything up to which is done with; it is told once. */
  pass(): Entry | End | undefined {
    const [first] = this.#order;
    if (first === undefined || (first.event !== undefined && first.outcome === 'open')) return undefined;
    this.#order.shift();
    return first;
  }

  /** Lets the next event of the record begin, before those that came after it. */
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
