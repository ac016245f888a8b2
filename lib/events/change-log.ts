import type { ClassDefinition } from '../schema/class';
import type { Transaction } from '../transactions/transaction';

/** A place in the history of a database: after the event number `index` of transaction number `seq`. */
export interface Place {
  readonly seq: number;
  readonly index: number;
  /**
   * For an update that yields several events: after the event of this number. 0 is the update itself, then by field.
   */
  readonly part?: number | undefined;
}

/** The `index` of a place after the whole transaction. */
export const WHOLE = 0xffff_ffff;
export const NOWHERE: Place = { seq: 0, index: 0 };

/**
 * A part of a transaction; most transactions have only one. Its bytes are in the engine's format; a {@link ChangeView}
 * reads them.
 */
export interface Fragment {
  readonly seq: number;
  /** ms since 1970. */
  readonly time: number;
  /** The index of its first change, and the number of changes. */
  readonly first: number;
  readonly count: number;
  readonly isLast: boolean;
  /** In bytes. */
  readonly size: number;
  readonly origin: string | undefined;
  readonly meta: unknown;
  /** The changes in order; the view starts before the first one. */
  changes(): ChangeView;
}

/** A change in the journal. next() replaces its contents with those of the next change. */
export interface ChangeView {
  /** Moves to the next change; false at the end. */
  next(): boolean;
  readonly kind: number;
  readonly flags: number;
  readonly classId: number;
  readonly extra: number;
  before(): Readonly<Record<string, unknown>>;
  after(): Readonly<Record<string, unknown>>;
  hasChanged(field: number): boolean;
  /** A copy of the change with its transaction, for {@link ChangeLog.reopen}. */
  copy(): Uint8Array;
}

/** What subscriptions need to know about a class. */
export interface LoggedClass {
  readonly id: number;
  readonly definition: ClassDefinition;
  /** By field number, as in changes. */
  readonly fieldNames: readonly string[];
  /** A record's key in the form that users see. */
  userKeyOf(record: Readonly<Record<string, unknown>>): unknown;
}

export interface LoggedRecord {
  readonly logged: LoggedClass;
  readonly record: Readonly<Record<string, unknown>>;
}

/** Reads from a place onwards; holds no resource between two reads. */
export interface ChangeCursor {
  /** The next fragment, or undefined after the last committed one. PositionLostError when it is no longer kept. */
  next(): Fragment | undefined;
}

/** Small texts by name that subscriptions store in the database beside the events. */
export interface Notes {
  read(name: string): string | undefined;
  /** Names with this prefix, in order. */
  list(prefix: string): string[];
  /** Reads and writes in one write transaction; resolves when it is durable. */
  write<T>(work: (pen: Pen) => T): Promise<T>;
  /** Like write(), but also works after the event base was closed, for the last writes at the end of a subscription. */
  writeLast<T>(work: (pen: Pen) => T): Promise<T>;
  /**
   * Runs `work` in the commit of the transaction; the transaction fails if it throws. Calls back when the commit is
   * durable.
   */
  enlist(transaction: Transaction, work: (pen: Pen) => void, onCommitted: () => void): void;
}

export interface Pen {
  read(name: string): string | undefined;
  /** undefined removes the text. */
  write(name: string, text: string | undefined): void;
}

export interface Expansion {
  /** Resolves when other processes respect it, too. */
  readonly ready: Promise<void>;
  end(): void;
}

/** The journal of a database: committed changes in commit order. */
export interface ChangeLog {
  readonly epoch: string;
  /** true: events of all kinds are delivered for all classes, whatever they declare. */
  readonly isImplicit: boolean;
  /** The newest transaction and the oldest one kept. */
  head(): { readonly seq: number; readonly oldest: number };
  cursor(after: Place): ChangeCursor;
  reopen(copy: Uint8Array): Fragment;
  /** Throws InvalidArgumentError (`class`) for a class that is not in the database. */
  classOf(definition: ClassDefinition): LoggedClass;
  readonly classes: Iterable<LoggedClass>;
  /** The current records of the classes, and the place in the history that they correspond to. */
  snapshot(classes: readonly LoggedClass[]): {
    readonly place: Place;
    /** Call return() if it is not read to the end. */
    readonly records: Iterator<LoggedRecord>;
  };
  readonly notes: Notes;
  /**
   * Makes each deleteAll of the classes journal every removed record; for a durable subscription also while it is not
   * running.
   */
  expand(classes: readonly LoggedClass[], holder: string, isPermanent: boolean): Expansion;
  /** Calls back when there may be new changes, from this process or another, until the returned function is called. */
  onMore(listener: () => void): () => void;
}
