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

/** Positions that were passed without being written down: a crash has at most so many events told again. */
const ACKNOWLEDGED_AT_ONCE = 100;
const ACKNOWLEDGED_AFTER_MS = 50;
/** How long its end waits for room to write where it is. */
const LAST_WRITE_WITHIN_MS = 5000;

/** How an event of a durable subscription is marked. */
export interface DurableMarks {
  /** It may have been told before: to a holder that did not come to acknowledge it. */
  readonly redelivered: boolean;
  /** 1 for the first time; then one more for each holder that told it and ended before it was acknowledged. */
  readonly attempt: number;
  /**
   * Acknowledges this event and all before it. With a transaction the acknowledgement is part of it: what it writes and
   * the position are committed together or not at all. The commit of a transaction that acknowledges what has been
   * acknowledged before rejects with AlreadyAcknowledgedError: what it does has been done.
   */
  ack(transaction?: Transaction): Promise<void>;
}

/** An event that was handed over. */
interface Told {
  readonly event: Draft;
  /** Of the events from where it began, from 1 on. */
  readonly number: number;
  isAcknowledged: boolean;
  /** An acknowledgement is part of a transaction whose outcome is not known yet. */
  isUnsure: boolean;
}

/** All up to a place, the event of this number being the last of it. */
interface Mark {
  readonly place: Place;
  readonly number: number;
}

/** Why a note is written: the next event waits for that, others may be told by it, or neither; 'renewal': from time to time. */
type Occasion = 'next' | 'more' | 'none' | 'renewal';

/** Holds a durable subscription: its position and lease are in the database. */
export class DurableKeeper implements Keeper {
  readonly #log: ChangeLog;
  readonly #setup: DurableSetup;
  readonly #fence: number;
  readonly #id: string;
  /** Of earlier holders, from where this one began. */
  readonly #before: Tellings;
  /** Of so many events, some or all have been told before. */
  readonly #repeated: number;
  readonly #allowance: Allowance;
  readonly place: Place;
  readonly isSnapshotDue: boolean;
  readonly parked: ParkedEvents;
  /** undefined: the name has been given free. */
  #lease: Lease | undefined;
  #acknowledged: Mark;
  #written: Place;
  #unwritten = 0;
  /** How many events there were so far, and the number of the last that was handed over. */
  #seen = 0;
  #lastTold = 0;
  /** The one that is handed over next, once that is written down. */
  #announced = 0;
  /** No more are handed over than that. */
  #may = 0;
  #puts = 0;
  #seenAtRenewal = 0;
  #atWork: Told | undefined;
  /** Up to which of them all is acknowledged. */
  #settled = 0;
  /** Up to here everything was told, but not everything acknowledged. */
  #reached: Mark | undefined;
  /** Where it was before a transaction that acknowledges: of several events in one, each counts. */
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

  /** SubscriptionBusyError, SpecChangedError, PositionLostError. */
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

  /** Calls back once, when somebody else has become the holder; keeps the lease until then. */
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
    // Where an earlier holder set it aside and did not come to write down its position, it waits there.
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
    // Behind the transactions that were handed in before it, so that theirs is decided.
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

  /** Writes down where it is and gives the name free. */
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
        // Who has lost it has nothing to give back; who cannot write leaves it to run out.
        if (!(error instanceof BackpressureError) || dateNow() >= deadline) return;
      }
    }
  }

  /** What cannot be written for now is written later: nobody has the name unless the lease has run out meanwhile. */
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
    // Records are told in the order of their keys, and there may be others by now.
    return isRecord(event) ? Math.max(1, times) : times;
  }

  #isAcknowledged(told: Told): boolean {
    if (told.isAcknowledged) return true;
    return !isRecord(told.event) && !isLater(placeIn(told.event.position), this.#acknowledged.place);
  }

  async #acknowledge(told: Told, transaction: Transaction | undefined): Promise<void> {
    const { event, number } = told;
    const within = placeIn(event.position);
    // Of the last that is seen of a transaction, all of it; otherwise this one and no more, or it would come again.
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
    // Not before it is committed: if it is given up, nothing has been acknowledged.
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

  /** When nothing that was told is left, what was of no interest since then is passed, too. */
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

  /** Of several that were written one after the other, what the last says of the events that may be told counts. */
  #isSafe(place: Place, id: number, progress: Progress | undefined): void {
    this.#failures = 0;
    if (id === this.#puts && progress !== undefined) this.#may = progress.may;
    if (!isLater(place, this.#written)) return;
    this.#written = place;
    this.parked.havePassed(place);
  }

  /** SubscriptionBusyError when somebody else holds the name by now. */
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

  /** Where nothing has been told since the last time, the next event is announced by itself. */
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

/** Whether the event is one that has been acknowledged. */
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
    'from is a position that the database has not come to: it is of another copy of it, or of this one before it was put back',
    { context: { argument: 'from' } },
  );
}
