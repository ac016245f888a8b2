import type { Snapshot } from './lmdb';

/** A description of what is held, and the place in the program that started it, if known. */
export interface About {
  readonly purpose: string;
  readonly place: string | undefined;
}

/**
 * A database state that is being read. It ends with done() or, after watch(), when its owner is collected, so nothing
 * else in it may reference the owner.
 */
export class Hold {
  readonly transaction: Snapshot;
  readonly about: About;
  /** The turn of the watch in which it started. */
  readonly turn: number;
  /** Set while the hold is young; most holds end before they are watched. */
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

  /** Whether unfinished reads use it. */
  get isRead(): boolean {
    return this.#reading.length > 0;
  }

  get isAbandoned(): boolean {
    return this.#watched !== undefined && this.#watched.deref() === undefined;
  }

  /** Ties it to its owner from now on. Costs more than everything else about a hold. */
  watch(): void {
    if (this.#owner === undefined) return;
    abandoned.register(this.#owner, this, this);
    this.#watched = new WeakRef(this.#owner);
    this.#owner = undefined;
  }

  /** Records a read through this hold: LMDB requires its cursors to be closed first. */
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

/** Shared by most holds; never modified. */
const NOTHING: Iterator<unknown>[] = [];

const abandoned = new FinalizationRegistry<Hold>((hold) => hold.done());
