import {
  AlreadyAcknowledgedError,
  BackpressureError,
  EpochMismatchError,
  SubscriptionBusyError,
} from '../errors';
import { clearInterval, clearTimeout, dateNow, delay, setInterval, setTimeout } from '../platform';
import type { Transaction } from '../transactions/transaction';
import { type ChangeLog, type Pen, type Place, WHOLE } from './change-log';
import {
  busy,
  type DurableSetup,
  type HeldNote,
  type Note,
  readNote,
  takeName,
  writeNote,
} from './durable-note';
import type { Draft } from './filter';
import { type Lease, newLease, RENEWAL_MS } from './lease';
import { nameOf, ParkedEvents } from './parked';
import { isPassing, pauseAfter } from './passing';
import { isLater, parsePosition, placeIn } from './position';
import { isGap, type Pulled } from './puller';
import type { Keeper } from './subscription';
import { Allowance, mayHaveBeenTold, type Progress, type Tellings, timesTold } from './tellings';

/** The number of positions that may stay unwritten: a crash redelivers at most this many events. */
const ACKNOWLEDGED_AT_ONCE = 100;
const ACKNOWLEDGED_AFTER_MS = 50;
/** How long the end of the subscription waits for room in the write queue to store its position. */
const LAST_WRITE_WITHIN_MS = 5000;

/** What the events of a durable subscription have in addition. */
export interface DurableMarks {
  /** true: the event may have been delivered before, to a holder that ended without acknowledging it. */
  readonly redelivered: boolean;
  /** 1 for the first delivery, plus one for each holder that received the event and ended before acknowledging it. */
  readonly attempt: number;
  /**
   * Acknowledges this event and all before it. With a transaction, the acknowledgement is part of it: its writes and
   * the position are committed together or not at all. If the event was acknowledged before, that transaction's commit
   * rejects with AlreadyAcknowledgedError, because its effects are already applied.
   */
  ack(transaction?: Transaction): Promise<void>;
}

/** A delivered event. */
interface Told {
  readonly event: Draft;
  /** The number of the event, counted from 1 at this holder's start. */
  readonly number: number;
  isAcknowledged: boolean;
  /** A transaction with an undecided outcome acknowledges it. */
  isUnsure: boolean;
}

/** Everything up to a place; `number` is that of its last event. */
interface Mark {
  readonly place: Place;
  readonly number: number;
}

/**
 * Why a note is written: the next event waits for it, it may allow more events, or neither. 'renewal': periodically.
 */
type Occasion = 'next' | 'more' | 'none' | 'renewal';

/** Holds a durable subscription, whose position and lease are stored in the database. */
export class DurableKeeper implements Keeper {
  readonly #log: ChangeLog;
  readonly #setup: DurableSetup;
  readonly #fence: number;
  readonly #id: string;
  /** Deliveries by earlier holders, counted from this holder's start. */
  readonly #before: Tellings;
  /** Events up to this number may have been delivered before. */
  readonly #repeated: number;
  readonly #allowance: Allowance;
  readonly place: Place;
  readonly isSnapshotDue: boolean;
  readonly parked: ParkedEvents;
  /** undefined: the name is released. */
  #lease: Lease | undefined;
  #acknowledged: Mark;
  #written: Place;
  #unwritten = 0;
  /** The number of events so far, and the number of the last one delivered. */
  #seen = 0;
  #lastTold = 0;
  /** The number of the event to be delivered next, once this has been written. */
  #announced = 0;
  /** The number of the last event that may be delivered before another write. */
  #may = 0;
  #puts = 0;
  #seenAtRenewal = 0;
  #atWork: Told | undefined;
  /** All events up to this number are acknowledged. */
  #settled = 0;
  /** Everything up to this mark was delivered, but not everything was acknowledged. */
  #reached: Mark | undefined;
  /** The note as it was before an acknowledging transaction, so that one transaction can acknowledge several events. */
  readonly #beforeTransaction = new WeakMap<Transaction, Note>();
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #renewal: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #onLost: (error: unknown) => void = () => {};

  private constructor(log: ChangeLog, setup: DurableSetup, note: HeldNote) {
    this.#log = log;
    this.#setup = setup;
    this.#lease = note.lease;
    this.#fence = note.fence;
    this.#id = note.id;
    this.#before = note;
    this.#repeated = mayHaveBeenTold(note);
    this.#allowance = new Allowance(note);
    this.parked = new ParkedEvents(log, setup.name, (pen) => this.#ours(pen).place);
    this.place = note.place;
    this.isSnapshotDue = note.isSnapshotDue;
    this.#acknowledged = { place: note.place, number: 0 };
    this.#written = note.place;
  }

  /** Rejects with SubscriptionBusyError, SpecChangedError or PositionLostError. */
  static async open(log: ChangeLog, setup: DurableSetup): Promise<DurableKeeper> {
    const deadline = dateNow() + setup.wait;
    for (;;) {
      try {
        return new DurableKeeper(log, setup, await takeName(log, setup, newLease()));
      } catch (error) {
        if (!(error instanceof SubscriptionBusyError) || dateNow() >= deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Renews the lease until another holder takes over; then calls back once. */
  hold(onLost: (error: unknown) => void): void {
    this.#onLost = onLost;
    this.#renewal = setInterval(() => {
      this.#lease = newLease(this.#lease?.holder);
      this.#write('renewal').catch((error: unknown) => this.#notWritten(error));
    }, RENEWAL_MS);
    this.#renewal.unref();
  }

  get isAllowed(): boolean {
    return this.#seen < this.#may;
  }

  async announce(): Promise<void> {
    while (!this.isAllowed) await this.#write('next');
  }

  decorate(event: Pulled): Pulled | undefined {
    if (isGap(event)) return event;
    this.#seen += 1;
    const number = this.#seen;
    // An earlier holder parked the event but did not get to store its position: the event stays parked.
    if (number <= this.#repeated && this.parked.hasSetAside(event)) return undefined;
    this.#lastTold = number;
    const told: Told = { event, number, isAcknowledged: false, isUnsure: false };
    this.#atWork = told;
    const times = this.#timesTold(told);
    const marks: DurableMarks = {
      redelivered: times > 0,
      attempt: times + 1,
      ack: (transaction) => this.#acknowledge(told, transaction),
    };
    return Object.assign(event, marks);
  }

  done(place: Place, isTransactionEnd: boolean): void {
    if (!isTransactionEnd && !this.#setup.ackWithin) return;
    if (!isLater(place, this.#acknowledged.place)) return;
    const mark = { place, number: this.#seen };
    if (this.#setup.isManual && this.#settled < this.#lastTold) {
      this.#reached = mark;
      return;
    }
    this.#settled = this.#seen;
    this.#pass(mark);
  }

  async isSettled(): Promise<boolean> {
    const told = this.#atWork;
    if (told === undefined) return false;
    // This write comes after the transactions submitted earlier, so their outcome is known.
    if (told.isUnsure && !this.#isAcknowledged(told))
      await this.#log.notes.write((pen) => {
        if (isPassed(this.#ours(pen), told.event)) told.isAcknowledged = true;
      });
    return this.#isAcknowledged(told);
  }

  async park(event: Pulled, error: unknown, attempts: number): Promise<void> {
    const told = this.#atWork;
    if (isGap(event) || told === undefined || this.#isAcknowledged(told)) return;
    const isParked = await this.parked.add(event, error, attempts, (pen) => isPassed(this.#ours(pen), event));
    if (!isParked) told.isAcknowledged = true;
  }

  /** Stores the position and releases the name. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#renewal);
    clearTimeout(this.#timer);
    await this.#writing.catch(() => {});
    this.#lease = undefined;
    for (const deadline = dateNow() + LAST_WRITE_WITHIN_MS; ; await delay(ACKNOWLEDGED_AFTER_MS)) {
      try {
        await this.#write('none');
        return;
      } catch (error) {
        // When the lease is lost, there is nothing to release; when writing fails, the lease expires by itself.
        if (!(error instanceof BackpressureError) || dateNow() >= deadline) return;
      }
    }
  }

  /** Retries a failed write later. The name stays ours until the lease has expired. */
  #notWritten(error: unknown): void {
    if (this.#closing !== undefined) return;
    if (!isPassing(error)) this.#onLost(error);
    else if (!this.#isWritten) {
      this.#flushAfter(pauseAfter(this.#failures, ACKNOWLEDGED_AFTER_MS));
      this.#failures += 1;
    }
  }

  get #isWritten(): boolean {
    return !isLater(this.#acknowledged.place, this.#written);
  }

  #timesTold({ event, number }: Told): number {
    if (number > this.#repeated && (this.#repeated === 0 || !isRecord(event))) return 0;
    const times = timesTold(this.#before, number);
    // Records are delivered in key order, and records may have been inserted meanwhile.
    return isRecord(event) ? Math.max(1, times) : times;
  }

  #isAcknowledged(told: Told): boolean {
    if (told.isAcknowledged) return true;
    return !isRecord(told.event) && !isLater(placeIn(told.event.position), this.#acknowledged.place);
  }

  async #acknowledge(told: Told, transaction: Transaction | undefined): Promise<void> {
    const { event, number } = told;
    const within = placeIn(event.position);
    // Acknowledges the whole transaction with its last visible event; otherwise only this event, or it would be
    // delivered again.
    const place = event.transaction?.last === true ? { seq: within.seq, index: WHOLE } : within;
    const mark = { place, number };
    if (transaction === undefined) {
      told.isAcknowledged = true;
      this.#pass(mark);
      this.#settle(number);
      await this.#flush('more');
      if (this.parked.hasSetAside(event))
        await this.#log.notes.write((pen) => this.parked.takeBack(pen, event));
      this.parked.isTakenBack(event);
      return;
    }
    let id = 0;
    let progress: Progress | undefined;
    // Takes effect with the commit: a rollback acknowledges nothing.
    this.#log.notes.enlist(
      transaction,
      (pen) => {
        const note = this.#ours(pen);
        const before = this.#beforeTransaction.get(transaction) ?? note;
        this.#beforeTransaction.set(transaction, before);
        const isDone =
          this.#isAcknowledged(told) || isPassed(before, event) || this.parked.isSettled(pen, event);
        if (!this.parked.takeBack(pen, event) && isDone)
          throw new AlreadyAcknowledgedError(`the event at ${event.position} has been acknowledged before`);
        progress = this.#put(pen, mark, 'more', isRecord(event) ? nameOf(event) : undefined);
        id = this.#puts;
      },
      () => {
        told.isAcknowledged = true;
        this.parked.isTakenBack(event);
        if (isLater(place, this.#acknowledged.place)) this.#acknowledged = mark;
        this.#isSafe(place, id, progress);
        this.#settle(number);
      },
    );
    told.isUnsure = true;
  }

  /** When every delivered event is acknowledged, the uninteresting ones after it are passed, too. */
  #settle(number: number): void {
    this.#settled = Math.max(this.#settled, number);
    if (this.#settled < this.#lastTold || this.#reached === undefined) return;
    this.#pass(this.#reached);
    this.#reached = undefined;
  }

  #pass(mark: Mark): void {
    if (!isLater(mark.place, this.#acknowledged.place)) return;
    this.#acknowledged = mark;
    this.#unwritten += 1;
    if (this.#unwritten >= ACKNOWLEDGED_AT_ONCE)
      void this.#flush('more').catch((error: unknown) => this.#notWritten(error));
    else this.#flushAfter(ACKNOWLEDGED_AFTER_MS);
  }

  #flushAfter(ms: number): void {
    this.#timer ??= setTimeout(() => {
      void this.#flush('none').catch((error: unknown) => this.#notWritten(error));
    }, ms);
  }

  #flush(occasion: Occasion): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#unwritten = 0;
    return this.#isWritten ? this.#writing.catch(() => {}) : this.#write(occasion);
  }

  #write(occasion: Occasion): Promise<void> {
    const { notes } = this.#log;
    const mark = this.#acknowledged;
    let id = 0;
    let progress: Progress | undefined;
    const put = (pen: Pen): void => {
      progress = this.#put(pen, mark, occasion);
      id = this.#puts;
    };
    this.#writing = (this.#lease === undefined ? notes.writeLast(put) : notes.write(put)).then(() =>
      this.#isSafe(mark.place, id, progress),
    );
    return this.#writing;
  }

  /** Of several writes in a row, the last one decides how many events may be delivered. */
  #isSafe(place: Place, id: number, progress: Progress | undefined): void {
    this.#failures = 0;
    if (id === this.#puts && progress !== undefined) this.#may = progress.may;
    if (!isLater(place, this.#written)) return;
    this.#written = place;
    this.parked.havePassed(place);
  }

  /** Throws SubscriptionBusyError when another holder has the name. */
  #ours(pen: Pen): Note {
    const { name } = this.#setup;
    const note = readNote(pen, name);
    if (note?.fence !== this.#fence || note.id !== this.#id) throw busy(name);
    return note;
  }

  #put(pen: Pen, mark: Mark, occasion: Occasion, record?: string): Progress {
    const note = this.#ours(pen);
    const moved = isLater(mark.place, note.place);
    const progress = this.#progress(moved ? mark.number : note.progress.passed, occasion);
    const place = moved ? mark.place : note.place;
    const isSnapshotDue = note.isSnapshotDue && !moved;
    this.parked.forgetPassed(pen, place);
    writeNote(pen, this.#setup.name, {
      ...note,
      lease: this.#lease,
      place,
      isSnapshotDue,
      record: isSnapshotDue ? (record ?? note.record) : undefined,
      progress,
    });
    return progress;
  }

  #progress(passed: number, occasion: Occasion): Progress {
    this.#puts += 1;
    const seen = this.#seen;
    if (this.#lease === undefined) return { passed, told: seen, may: seen };
    if (occasion === 'next') {
      this.#announced = seen + 1;
      return { passed, told: this.#announced, may: this.#allowance.beyondNext(seen) };
    }
    if (occasion === 'renewal') this.#rest(seen);
    const told = Math.max(seen, this.#announced);
    const more = occasion === 'more' ? this.#allowance.beyond(seen) : 0;
    return { passed, told, may: Math.max(this.#may, more) };
  }

  /** After an idle interval, the next event is announced individually again. */
  #rest(seen: number): void {
    if (seen === this.#seenAtRenewal) {
      this.#may = seen;
      this.#allowance.reset();
    }
    this.#seenAtRenewal = seen;
  }
}

function isRecord({ kind }: Draft): boolean {
  return kind === 'snapshot';
}

/** Whether the event has been acknowledged. */
function isPassed(note: Note, event: Draft): boolean {
  if (isRecord(event)) return note.record === nameOf(event);
  return !isLater(placeIn(event.position), note.place);
}

export function placeOfStart(log: ChangeLog, from: unknown): Place {
  const { seq, oldest } = log.head();
  if (from === 'now') return { seq, index: WHOLE };
  if (from === 'beginning') return { seq: oldest - 1, index: WHOLE };
  const place = parsePosition(log.epoch, from, 'from');
  if (place.seq <= seq) return place;
  throw new EpochMismatchError(
    'from is a position that this database has not reached: it is from another copy, or from before the database was restored',
    { context: { argument: 'from' } },
  );
}
