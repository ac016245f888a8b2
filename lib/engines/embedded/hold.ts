import type { Snapshot } from './lmdb';

/** What is held, in words, and where in the program that was begun, if it was looked up. */
export interface About {
  readonly purpose: string;
  readonly place: string | undefined;
}

/**
 * A state of the database that somebody reads, until done() or, once watch() has been called, until its owner is collected:
 * nothing else of it may lead to the owner.
 */
export class Hold {
  readonly transaction: Snapshot;
  readonly about: About;
  /** The turn of the watch in which it began. */
  readonly turn: number;
  /** While it is young, which most are until they end. */
  #owner: object | undefined;
  #watched: WeakRef<object> | undefined;
  #reading: Iterator<unknown>[] = NOTHING;
  #forget: ((hold: Hold) => void) | undefined;

  constructor(
    owner: object,
    transaction: Snapshot,
    about: About,
    turn: number,
    forget: (hold: Hold) => void,
  ) {
    this.#owner = owner;
    this.transaction = transaction;
    this.about = about;
    this.turn = turn;
    this.#forget = forget;
  }

  get isOver(): boolean {
    return this.#forget === undefined;
  }

  /** Whether something is read by way of it that has not come to its end. */
  get isRead(): boolean {
    return this.#reading.length > 0;
  }

  get isAbandoned(): boolean {
    return this.#watched !== undefined && this.#watched.deref() === undefined;
  }

  /** From now on it ends with its owner. It costs more than the rest of it. */
  watch(): void {
    if (this.#owner === undefined) return;
    abandoned.register(this.#owner, this, this);
    this.#watched = new WeakRef(this.#owner);
    this.#owner = undefined;
  }

  /** Takes note of what is read by way of it: LMDB wants its cursors closed first. */
  begin<I extends Iterator<unknown>>(reading: I): I {
    if (this.#reading === NOTHING) this.#reading = [reading];
    else this.#reading.push(reading);
    return reading;
  }

  end(reading: Iterator<unknown>): void {
    const at = this.#reading.indexOf(reading);
    if (at < 0) return;
    this.#reading.splice(at, 1);
    reading.return?.();
  }

  done(): void {
    const forget = this.#forget;
    if (forget === undefined) return;
    this.#forget = undefined;
    this.#owner = undefined;
    if (this.#watched !== undefined) abandoned.unregister(this);
    const reading = this.#reading;
    this.#reading = NOTHING;
    for (const each of reading) each.return?.();
    forget(this);
    this.transaction.done();
  }
}

/** Of most holds; nothing is added to it. */
const NOTHING: Iterator<unknown>[] = [];

const abandoned = new FinalizationRegistry<Hold>((hold) => hold.done());
