import type { ClassDefinition } from '../schema/class';
import type { Transaction } from '../transactions/transaction';

/** Where in the history of a database: after the event of this place in the transaction of this number. */
export interface Place {
  readonly seq: number;
  readonly index: number;
  /** Of an update that is several events: only after the one of this number, 0 for the update itself, then by field. */
  readonly part?: number | undefined;
}

/** After everything of a transaction. */
export const WHOLE = 0xffff_ffff;
/** Before everything. */
export const NOWHERE: Place = { seq: 0, index: 0 };

/** A part of a transaction: most have one. Its bytes are the engine's; a {@link ChangeView} reads them. */
export interface Fragment {
  readonly seq: number;
  /** ms since 1970. */
  readonly time: number;
  /** The place of its first change, and how many there are. */
  readonly first: number;
  readonly count: number;
  readonly isLast: boolean;
  /** In bytes. */
  readonly size: number;
  readonly origin: string | undefined;
  readonly meta: unknown;
  /** The changes in their order, before the first of them. */
  changes(): ChangeView;
}

/** A change as it is journalled; the next one is seen in its place. */
export interface ChangeView {
  /** Moves on to the next change; false when there is none. */
  next(): boolean;
  readonly kind: number;
  readonly flags: number;
  readonly classId: number;
  readonly extra: number;
  before(): Readonly<Record<string, unknown>>;
  after(): Readonly<Record<string, unknown>>;
  hasChanged(field: number): boolean;
  /** The change with its transaction, to be kept and read again by {@link ChangeLog.reopen}. */
  copy(): Uint8Array;
}

/** What subscriptions know of a class. */
export interface LoggedClass {
  readonly id: number;
  readonly definition: ClassDefinition;
  /** By the number that changes have for them. */
  readonly fieldNames: readonly string[];
  /** A record's key as users know it. */
  userKeyOf(record: Readonly<Record<string, unknown>>): unknown;
}

export interface LoggedRecord {
  readonly logged: LoggedClass;
  readonly record: Readonly<Record<string, unknown>>;
}

/** Reads on from a place; nothing is held between two reads. */
export interface ChangeCursor {
  /** The next fragment, or undefined at the end of what is committed. PositionLostError when it is not kept any more. */
  next(): Fragment | undefined;
}

/** What subscriptions keep in the database beside the events: small texts by name. */
export interface Notes {
  read(name: string): string | undefined;
  /** Names that begin so, in their order. */
  list(prefix: string): string[];
  /** Reads and writes in one write transaction; resolves when it is safe. */
  write<T>(work: (pen: Pen) => T): Promise<T>;
  /** The same, also when nothing else is written any more because the event base was closed: what is left to be put in order. */
  writeLast<T>(work: (pen: Pen) => T): Promise<T>;
  /** Does `work` in the commit of the transaction, which it ends by throwing; calls back when that is safe. */
  enlist(transaction: Transaction, work: (pen: Pen) => void, onCommitted: () => void): void;
}

export interface Pen {
  read(name: string): string | undefined;
  /** undefined removes. */
  write(name: string, text: string | undefined): void;
}

export interface Expansion {
  /** Resolves when other processes keep to it, too. */
  readonly ready: Promise<void>;
  end(): void;
}

/** The journal of a database that tells what was committed, in the order in which it was. */
export interface ChangeLog {
  readonly epoch: string;
  /** All kinds of all classes are told, whatever they declare. */
  readonly isImplicit: boolean;
  /** The newest transaction, and the oldest that is kept. */
  head(): { readonly seq: number; readonly oldest: number };
  cursor(after: Place): ChangeCursor;
  reopen(copy: Uint8Array): Fragment;
  /** InvalidArgumentError (`class`) for a class that is not of the database. */
  classOf(definition: ClassDefinition): LoggedClass;
  readonly classes: Iterable<LoggedClass>;
  /** The records of a class as of now, and the place in the history that they are as of. */
  snapshot(classes: readonly LoggedClass[]): {
    readonly place: Place;
    /** To be ended by return() if not gone through. */
    readonly records: Iterator<LoggedRecord>;
  };
  readonly notes: Notes;
  /** Has each record told that a deleteAll of the classes removes; of a durable subscription also while it is away. */
  expand(classes: readonly LoggedClass[], holder: string, isPermanent: boolean): Expansion;
  /** Calls back when there may be more, of this process or another, until the returned function is called. */
  onMore(listener: () => void): () => void;
}
