import {
  BackpressureError,
  EpochMismatchError,
  PositionLostError,
  SpecChangedError,
  SubscriptionBusyError,
  TimeoutError,
} from '../errors';
import { clearInterval, clearTimeout, dateNow, delay, setInterval, setTimeout } from '../platform';
import type { Transaction } from '../transactions/transaction';
import { type ChangeLog, NOWHERE, type Pen, type Place, WHOLE } from './change-log';
import type { Draft } from './filter';
import { isAlive, type Lease, newLease, RENEWAL_MS } from './lease';
import { ParkedEvents } from './parked';
import { formatPosition, isLater, parsePosition, placeIn } from './position';
import { isGap, type Pulled } from './puller';
import type { Keeper } from './subscription';

/** Positions that were passed without being written down: a crash has at most so many events told again. */
const ACKNOWLEDGED_AT_ONCE = 100;
const ACKNOWLEDGED_AFTER_MS = 50;
/** How long its end waits for room to write where it is. */
const LAST_WRITE_WITHIN_MS = 5000;

/** What the database knows of a durable subscription. */
interface Note {
  readonly spec: string;
  readonly place: Place;
  /** The records themselves are still to be told before what follows the place. */
  readonly isSnapshotDue: boolean;
  readonly lease: Lease | undefined;
  /** Grows with each holder: what an earlier one still writes is refused. */
  readonly fence: number;
  /** How often what follows the place has been begun by holders that did not end well. */
  readonly attempts: number;
  /** The transaction up to which they may have come; undefined: nobody knows. */
  readonly toldUpTo: number | undefined;
}

/** How an event of a durable subscription is marked. */
export interface DurableMarks {
  /** It may have been told before: to a holder that did not come to acknowledge it. */
  readonly redelivered: boolean;
  /** 1 for the first time. */
  readonly attempt: number;
  /**
   * Acknowledges this event and all before it. With a transaction the acknowledgement is part of it: what it writes and
   * the position are committed together or not at all.
   */
  ack(transaction?: Transaction): Promise<void>;
}

export interface DurableSetup {
  readonly name: string;
  readonly spec: string;
  /** Where it begins when the name is new. */
  readonly from: Place;
  readonly withSnapshot: boolean;
  readonly migrate: boolean;
  readonly isManual: boolean;
  /** Positions that handlers have settled for count within transactions, too, not only at their ends. */
  readonly ackWithin: boolean;
  readonly onLost: 'error' | 'snapshot';
  /** ms to wait for the holder there is to go. */
  readonly wait: number;
}

const noteName = (name: string): string => `durable:${name}`;

/** Holds a durable subscription: its position and lease are in the database. */
export class DurableKeeper implements Keeper {
  readonly #log: ChangeLog;
  readonly #setup: DurableSetup;
  readonly #fence: number;
  readonly #attempts: number;
  /** Up to here, earlier holders may have told. */
  readonly #toldUpTo: number;
  readonly place: Place;
  readonly isSnapshotDue: boolean;
  readonly parked: ParkedEvents;
  /** undefined: the name has been given free. */
  #lease: Lease | undefined;
  #acknowledged: Place;
  #written: Place;
  #unwritten = 0;
  /** How many events were handed over, and of which transaction the last is. */
  #told = 0;
  #lastTold = 0;
  /** Up to which of them all is acknowledged. */
  #settled = 0;
  /** Up to here everything was told, but not everything acknowledged. */
  #reached: Place | undefined;
  #timer: NodeJS.Timeout | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #onLost: (error: unknown) => void = () => {};
  #isClosed = false;

  private constructor(
    log: ChangeLog,
    setup: DurableSetup,
    note: Note & { readonly lease: Lease },
    toldUpTo: number,
  ) {
    this.#log = log;
    this.#setup = setup;
    this.#lease = note.lease;
    this.#fence = note.fence;
    this.#attempts = note.attempts;
    this.#toldUpTo = toldUpTo;
    this.parked = new ParkedEvents(log, setup.name);
    this.place = note.place;
    this.isSnapshotDue = note.isSnapshotDue;
    this.#acknowledged = note.place;
    this.#written = note.place;
  }

  /** SubscriptionBusyError, SpecChangedError, PositionLostError. */
  static async open(log: ChangeLog, setup: DurableSetup): Promise<DurableKeeper> {
    const deadline = dateNow() + setup.wait;
    for (;;) {
      try {
        return await DurableKeeper.#take(log, setup);
      } catch (error) {
        if (!(error instanceof SubscriptionBusyError) || dateNow() >= deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  static async #take(log: ChangeLog, setup: DurableSetup): Promise<DurableKeeper> {
    const { name } = setup;
    const lease = newLease();
    const head = log.head();
    const note = await log.notes.write((pen) => {
      const note = succeed(log, setup, readNote(pen, name), head, lease);
      pen.write(noteName(name), JSON.stringify(note));
      return note;
    });
    return new DurableKeeper(log, setup, note, note.toldUpTo ?? head.seq);
  }

  /** Calls back once, when somebody else has become the holder; keeps the lease until then. */
  hold(onLost: (error: unknown) => void): void {
    this.#onLost = onLost;
    this.#renewal = setInterval(() => {
      this.#lease = newLease(this.#lease?.holder);
      this.#write().catch((error: unknown) => this.#notWritten(error));
    }, RENEWAL_MS);
    this.#renewal.unref();
  }

  decorate(event: Pulled): Pulled {
    if (isGap(event)) return event;
    this.#told += 1;
    const number = this.#told;
    const { seq } = placeIn(event.position);
    this.#lastTold = seq;
    const redelivered = seq <= this.#toldUpTo && this.#attempts > 0;
    const marks: DurableMarks = {
      redelivered,
      attempt: redelivered ? this.#attempts + 1 : 1,
      ack: (transaction) => this.#acknowledge(event, number, transaction),
    };
    return Object.assign(event, marks);
  }

  done(place: Place, isTransactionEnd: boolean): void {
    if (!isTransactionEnd && !this.#setup.ackWithin) return;
    if (!isLater(place, this.#acknowledged)) return;
    if (this.#setup.isManual && this.#settled < this.#told) {
      this.#reached = place;
      return;
    }
    this.#settled = this.#told;
    this.#pass(place);
  }

  async park(event: Pulled, error: unknown, attempts: number): Promise<void> {
    if (isGap(event)) return;
    for (;;) {
      try {
        await this.parked.add(event, error, attempts);
        return;
      } catch (reason) {
        if (!isPassing(reason)) throw reason;
      }
      await delay(ACKNOWLEDGED_AFTER_MS);
    }
  }

  /** Writes down where it is and gives the name free. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#renewal);
    clearTimeout(this.#timer);
    await this.#writing.catch(() => {});
    this.#lease = undefined;
    for (const deadline = dateNow() + LAST_WRITE_WITHIN_MS; ; await delay(ACKNOWLEDGED_AFTER_MS)) {
      try {
        await this.#write();
        return;
      } catch (error) {
        // Who has lost it has nothing to give back; who cannot write leaves it to run out.
        if (!(error instanceof BackpressureError) || dateNow() >= deadline) return;
      }
    }
  }

  /** What cannot be written for now is written later: nobody has the name unless the lease has run out meanwhile. */
  #notWritten(error: unknown): void {
    if (this.#isClosed) return;
    if (!isPassing(error)) this.#onLost(error);
    else if (!this.#isWritten) this.#flushSoon();
  }

  get #isWritten(): boolean {
    return !isLater(this.#acknowledged, this.#written);
  }

  async #acknowledge(event: Draft, number: number, transaction: Transaction | undefined): Promise<void> {
    const within = placeIn(event.position);
    // Of the last that is seen of a transaction, all of it; otherwise this one and no more, or it would come again.
    const place = event.transaction?.last === true ? { seq: within.seq, index: WHOLE } : within;
    if (transaction === undefined) {
      this.#pass(place);
      this.#settle(number);
      await this.#flush();
      return;
    }
    // Not before it is committed: if it is given up, nothing has been acknowledged.
    this.#log.notes.enlist(
      transaction,
      (pen) => this.#put(pen, place),
      () => {
        if (isLater(place, this.#acknowledged)) this.#acknowledged = place;
        if (isLater(place, this.#written)) this.#written = place;
        this.#settle(number);
      },
    );
  }

  /** When nothing that was told is left, what was of no interest since then is passed, too. */
  #settle(number: number): void {
    this.#settled = Math.max(this.#settled, number);
    if (this.#settled < this.#told || this.#reached === undefined) return;
    this.#pass(this.#reached);
    this.#reached = undefined;
  }

  #pass(place: Place): void {
    if (!isLater(place, this.#acknowledged)) return;
    this.#acknowledged = place;
    this.#unwritten += 1;
    if (this.#unwritten >= ACKNOWLEDGED_AT_ONCE)
      void this.#flush().catch((error: unknown) => this.#notWritten(error));
    else this.#flushSoon();
  }

  #flushSoon(): void {
    this.#timer ??= setTimeout(() => {
      void this.#flush().catch((error: unknown) => this.#notWritten(error));
    }, ACKNOWLEDGED_AFTER_MS);
  }

  #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#unwritten = 0;
    return this.#isWritten ? this.#writing.catch(() => {}) : this.#write();
  }

  #write(): Promise<void> {
    const { notes } = this.#log;
    const place = this.#acknowledged;
    const put = (pen: Pen): void => this.#put(pen, place);
    this.#writing = (this.#lease === undefined ? notes.writeLast(put) : notes.write(put)).then(() => {
      this.#written = place;
    });
    return this.#writing;
  }

  /** SubscriptionBusyError when somebody else holds the name by now. */
  #put(pen: Pen, place: Place): void {
    const { name } = this.#setup;
    const note = readNote(pen, name);
    if (note?.fence !== this.#fence) throw busy(name);
    const moved = isLater(place, note.place);
    const next = {
      ...note,
      lease: this.#lease,
      place: moved ? place : note.place,
      isSnapshotDue: note.isSnapshotDue && !moved,
    };
    pen.write(noteName(name), JSON.stringify({ ...next, ...this.#begun(next) }));
  }

  /** How often what follows has been begun, and how far those came who did: earlier holders, and this one at its end. */
  #begun({ place, lease }: Omit<Note, 'attempts' | 'toldUpTo'>): Partial<Note> {
    const isEarlier = this.#attempts > 0 && following(place) <= this.#toldUpTo;
    const isOurs = lease === undefined && this.#settled < this.#told;
    return {
      attempts: (isEarlier ? this.#attempts : 0) + Number(isOurs),
      toldUpTo: Math.max(isEarlier ? this.#toldUpTo : 0, isOurs ? this.#lastTold : 0),
    };
  }
}

/** The note of the next holder. */
function succeed(
  log: ChangeLog,
  setup: DurableSetup,
  old: Note | undefined,
  head: { readonly seq: number; readonly oldest: number },
  lease: Lease,
): Note & { readonly lease: Lease } {
  const { name, spec, migrate, onLost } = setup;
  if (old === undefined) {
    const { from: place, withSnapshot: isSnapshotDue } = setup;
    return { spec, place, isSnapshotDue, lease, fence: 1, attempts: 0, toldUpTo: undefined };
  }
  if (old.lease !== undefined && isAlive(old.lease)) throw busy(name);
  if (old.spec !== spec && !migrate)
    throw new SpecChangedError(`the durable subscription ${name} was made for other events`);
  const crashed = old.lease !== undefined && { attempts: old.attempts + 1, toldUpTo: undefined };
  const next = { ...old, spec, lease, fence: old.fence + 1, ...crashed };
  if (following(old.place) >= head.oldest || old.isSnapshotDue) return next;
  if (onLost === 'snapshot') return { ...next, place: NOWHERE, isSnapshotDue: true };
  throw new PositionLostError(`the events after the position of ${name} are not kept any more`, {
    context: {
      requested: formatPosition(log.epoch, old.place),
      oldest: formatPosition(log.epoch, { seq: head.oldest - 1, index: WHOLE }),
    },
  });
}

/** The first transaction of which something is left behind the place. */
function following({ seq, index }: Place): number {
  return index === WHOLE ? seq + 1 : seq;
}

/** Removes all that the database knows of the name. */
export function forget(log: ChangeLog, name: string): Promise<boolean> {
  return log.notes.write((pen) => {
    const note = readNote(pen, name);
    if (note === undefined) return false;
    if (note.lease !== undefined && isAlive(note.lease)) throw busy(name);
    pen.write(noteName(name), undefined);
    new ParkedEvents(log, name).forget(pen);
    forgetExpansion(log, pen, name);
    return true;
  });
}

/** Nobody wants the victims of a deleteAll for the name any more. */
export function forgetExpansion(log: ChangeLog, pen: Pen, name: string): void {
  for (const { id } of log.classes) pen.write(`expand:${id}:durable:${name}`, undefined);
}

function readNote(pen: Pick<Pen, 'read'>, name: string): Note | undefined {
  const text = pen.read(noteName(name));
  return text === undefined ? undefined : (JSON.parse(text) as Note);
}

/** The writer has too much to do, or somebody else has the lock. */
function isPassing(error: unknown): boolean {
  return error instanceof BackpressureError || error instanceof TimeoutError;
}

function busy(name: string): SubscriptionBusyError {
  return new SubscriptionBusyError(`the durable subscription ${name} is held by somebody else`);
}

export function placeOfStart(log: ChangeLog, from: unknown): Place {
  const { seq, oldest } = log.head();
  if (from === 'now') return { seq, index: WHOLE };
  if (from === 'beginning') return { seq: oldest - 1, index: WHOLE };
  const place = parsePosition(log.epoch, from, 'from');
  if (place.seq <= seq) return place;
  throw new EpochMismatchError(
    'from is a position that the database has not come to: it is of another copy of it, or of this one before it was put back',
    { context: { argument: 'from' } },
  );
}
