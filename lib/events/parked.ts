import { createHash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { messageOf } from '../arguments';
import { damaged, isDamage } from '../damage';
import { AlreadyAcknowledgedError, EvenkeelError, PositionLostError } from '../errors';
import type { Transaction } from '../transactions/transaction';
import { type ChangeLog, NOWHERE, type Pen, type Place, WHOLE } from './change-log';
import type { Draft, Filter } from './filter';
import { isInteger, isObject, parseNote } from './note-text';
import { formatPosition, placeIn } from './position';
import { snapshotEvent } from './snapshot-source';

/** An event of a durable subscription whose handler failed for good. */
export interface ParkedEvent<E> {
  readonly event: E;
  /** The latest error of the handler. */
  readonly error: string;
  readonly attempts: number;
}

interface Note {
  readonly error: string;
  readonly attempts: number;
  /** Which of the events of the change. */
  readonly kind: string;
  readonly field?: string | undefined;
  readonly class: string;
  /** `data` is the event itself. */
  readonly isEvent?: boolean | undefined;
  /** Base64: the record for an event of kind 'snapshot', otherwise the change. */
  readonly data: string;
}

const SNAPSHOT = 'snapshot';

const parkedPrefix = (name: string): string => `parked:${name}:`;
const settledPrefix = (name: string): string => `settled:${name}:`;
/** The prefix of the names of parked records, which sort before those of changes. */
const OF_RECORD = `${'0'.repeat(16)}:`;

/** Events that the handler of a durable subscription could not complete, stored in the database until it does. */
export class ParkedEvents {
  readonly #log: ChangeLog;
  readonly #name: string;
  readonly #prefix: string;
  readonly #settledPrefix: string;
  readonly #positionIn: (pen: Pen) => Place;
  /** The names of parked events without the prefix; only the holder changes them. */
  readonly #names: Set<string>;
  /**
   * Events that a replay completed before the position passed them; without this note, the next holder would get them
   * again.
   */
  readonly #settled: Set<string>;
  #replaying: Promise<unknown> = Promise.resolve();

  /** `positionIn` reads the stored position; it throws when another holder has the name. */
  constructor(log: ChangeLog, name: string, positionIn: (pen: Pen) => Place) {
    this.#log = log;
    this.#name = name;
    this.#prefix = parkedPrefix(name);
    this.#settledPrefix = settledPrefix(name);
    this.#positionIn = positionIn;
    const named = (prefix: string): Set<string> =>
      new Set(log.notes.list(prefix).map((each) => each.slice(prefix.length)));
    this.#names = named(this.#prefix);
    this.#settled = named(this.#settledPrefix);
  }

  /** Resolves to false and parks nothing when `isSettled` returns true in the write transaction. */
  async add(
    event: Draft,
    error: unknown,
    attempts: number,
    isSettled: (pen: Pen) => boolean,
  ): Promise<boolean> {
    const name = nameOf(event);
    const note = { error: messageOf(error), attempts, ...kept(this.#log, event) };
    const isAdded = await this.#log.notes.write((pen) => {
      if (isSettled(pen)) return false;
      pen.write(this.#prefix + name, JSON.stringify(note satisfies Note));
      return true;
    });
    if (isAdded) this.#names.add(name);
    return isAdded;
  }

  /** Whether the event is or was parked, although the position is before it. */
  hasSetAside(event: Draft): boolean {
    if (this.#names.size === 0 && this.#settled.size === 0) return false;
    const name = nameOf(event);
    return this.#names.has(name) || this.#settled.has(name);
  }

  /** Unparks an event that was acknowledged late; false when it is not parked. */
  takeBack(pen: Pen, event: Draft): boolean {
    if (this.#names.size === 0) return false;
    const name = nameOf(event);
    if (pen.read(this.#prefix + name) === undefined) return false;
    pen.write(this.#prefix + name, undefined);
    return true;
  }

  /** Whether a replay completed the event before the position passed it. */
  isSettled(pen: Pen, event: Draft): boolean {
    return this.#settled.size > 0 && pen.read(this.#settledPrefix + nameOf(event)) !== undefined;
  }

  /** Called when takeBack() is durable. */
  isTakenBack(event: Draft): void {
    if (this.#names.size > 0) this.#names.delete(nameOf(event));
  }

  /** Removes the notes of events that were settled ahead of the position and are now passed by it. */
  forgetPassed(pen: Pen, place: Place): void {
    for (const name of this.#settledUpTo(place)) pen.write(this.#settledPrefix + name, undefined);
  }

  havePassed(place: Place): void {
    for (const name of this.#settledUpTo(place)) this.#settled.delete(name);
  }

  #settledUpTo(place: Place): string[] {
    if (this.#settled.size === 0) return [];
    const last = nameOfPlace(place);
    return [...this.#settled].filter((name) => name <= last);
  }

  list(filter: Filter): ParkedEvent<unknown>[] {
    return this.#texts().flatMap(({ name, text }) => {
      const note = this.#noteOf(name, text);
      const event = this.#eventOf(filter, name, note);
      return event === undefined ? [] : [{ event, error: note.error, attempts: note.attempts }];
    });
  }

  /**
   * Calls the handler with the parked events, in order, until `isEnded`; events that fail again stay parked. Resolves
   * to the number completed. Replays run one after the other. StorageError when some events are damaged, after the
   * others were replayed.
   */
  replay(filter: Filter, handler: (event: unknown) => unknown, isEnded: () => boolean): Promise<number> {
    const replayed = this.#replaying.then(() => this.#replay(filter, handler, isEnded));
    this.#replaying = replayed.catch(() => {});
    return replayed;
  }

  async #replay(
    filter: Filter,
    handler: (event: unknown) => unknown,
    isEnded: () => boolean,
  ): Promise<number> {
    let replayed = 0;
    let failure: { readonly error: unknown } | undefined;
    for (const { name, text } of this.#texts()) {
      if (isEnded()) break;
      let note: Note;
      let event: Draft | undefined;
      try {
        note = this.#noteOf(name, text);
        event = this.#eventOf(filter, name, note);
      } catch (error) {
        failure ??= { error };
        continue;
      }
      if (event === undefined) continue;
      const attempts = note.attempts + 1;
      // Written before the call, so that an attempt that kills the process counts.
      if (!(await this.#writeAgain(name, { ...note, attempts }))) continue;
      const marks = { redelivered: true, attempt: attempts, ack: this.#acknowledgerOf(name) };
      try {
        await handler(Object.assign(event, marks));
      } catch (thrown) {
        if (!(await this.#writeAgain(name, { ...note, attempts, error: messageOf(thrown) }))) replayed += 1;
        continue;
      }
      await this.#log.notes.write((pen) => this.#settle(pen, name));
      this.#names.delete(name);
      replayed += 1;
    }
    if (failure !== undefined) throw failure.error;
    return replayed;
  }

  /** False when it was acknowledged meanwhile and is not parked any more. */
  #writeAgain(name: string, note: Note): Promise<boolean> {
    return this.#log.notes.write((pen) => {
      this.#positionIn(pen);
      if (pen.read(this.#prefix + name) === undefined) return false;
      pen.write(this.#prefix + name, JSON.stringify(note));
      return true;
    });
  }

  #acknowledgerOf(name: string): (transaction?: Transaction) => Promise<void> {
    const within = new WeakSet<Transaction>();
    return async (transaction) => {
      if (transaction === undefined) {
        await this.#log.notes.write((pen) => this.#settle(pen, name));
        this.#names.delete(name);
        return;
      }
      this.#log.notes.enlist(
        transaction,
        (pen) => {
          if (within.has(transaction)) return;
          within.add(transaction);
          if (!this.#settle(pen, name))
            throw new AlreadyAcknowledgedError('the parked event has been acknowledged before');
        },
        () => this.#names.delete(name),
      );
    };
  }

  /** False when it was settled before. */
  #settle(pen: Pen, name: string): boolean {
    const position = this.#positionIn(pen);
    if (pen.read(this.#prefix + name) === undefined) return false;
    pen.write(this.#prefix + name, undefined);
    if (!name.startsWith(OF_RECORD) && name > nameOfPlace(position)) {
      pen.write(this.#settledPrefix + name, '');
      this.#settled.add(name);
    }
    return true;
  }

  #texts(): { readonly name: string; readonly text: string }[] {
    const { notes } = this.#log;
    return notes.list(this.#prefix).flatMap((each) => {
      const text = notes.read(each);
      return text === undefined ? [] : [{ name: each.slice(this.#prefix.length), text }];
    });
  }

  #noteOf(name: string, text: string): Note {
    return parseNote(text, isNote, this.#describe(name));
  }

  #describe(name: string): string {
    return `the parked event ${name} of the durable subscription ${this.#name}`;
  }

  /**
   * undefined: the filter does not select it any more. Throws StorageError when the bytes are not those of an event.
   */
  #eventOf(filter: Filter, name: string, note: Note): Draft | undefined {
    try {
      return this.#read(filter, note);
    } catch (error) {
      if (error instanceof EvenkeelError && !isDamage(error)) throw error;
      throw damaged(this.#describe(name));
    }
  }

  #read(filter: Filter, note: Note): Draft | undefined {
    const bytes = Buffer.from(note.data, 'base64');
    if (note.kind === SNAPSHOT) return this.#snapshotOf(filter, note.class, stored(bytes));
    if (note.isEvent) return stored(bytes) as Draft & Readonly<Record<string, unknown>>;
    const fragment = this.#log.reopen(bytes);
    const { seq, origin, meta } = fragment;
    const event = filter
      .eventsOf(fragment, () => formatPosition(this.#log.epoch, { seq, index: WHOLE }))
      .find(({ kind, field }) => kind === note.kind && field === note.field);
    if (event === undefined) return undefined;
    const time = new Date(fragment.time);
    event.transaction = { seq: BigInt(seq), time, origin, meta, index: 0, count: 1, last: true };
    return event;
  }

  #snapshotOf(filter: Filter, name: string, record: Readonly<Record<string, unknown>>): Draft | undefined {
    const logged = [...this.#log.classes].find(({ definition }) => definition.name === name);
    if (logged === undefined || !filter.isFor(logged, record)) return undefined;
    return snapshotEvent(logged, record, formatPosition(this.#log.epoch, NOWHERE));
  }
}

function stored(bytes: Buffer): Readonly<Record<string, unknown>> {
  const value: unknown = deserialize(bytes);
  if (!isObject(value)) throw damaged('what is stored of a parked event');
  return value;
}

function isNote(value: unknown): value is Note {
  if (!isObject(value)) return false;
  const { error, attempts, kind, field, class: name, isEvent, data } = value;
  return (
    [error, kind, name, data].every((each) => typeof each === 'string') &&
    isInteger(attempts) &&
    (field === undefined || typeof field === 'string') &&
    (isEvent === undefined || typeof isEvent === 'boolean')
  );
}

/** Removes all parked events of the name. */
export function forgetParked(log: ChangeLog, pen: Pen, name: string): void {
  for (const prefix of [parkedPrefix(name), settledPrefix(name)])
    for (const each of log.notes.list(prefix)) pen.write(each, undefined);
}

/** Removes the parked records of the name. */
export function forgetParkedRecords(log: ChangeLog, pen: Pen, name: string): void {
  for (const each of log.notes.list(parkedPrefix(name) + OF_RECORD)) pen.write(each, undefined);
}

/** The name of the parked event, unique within the subscription and sorted in event order. */
export function nameOf(event: Draft): string {
  return event.kind === SNAPSHOT ? nameOfRecord(event) : nameOfPlace(placeIn(event.position));
}

/** Includes the part, because one update may yield several events. */
function nameOfPlace({ seq, index, part = WHOLE }: Place): string {
  return [seq, index, part].map((each) => String(each).padStart(16, '0')).join(':');
}

/** Sorts before all names of places. The key is hashed because keys may be longer than names. */
function nameOfRecord(event: Draft): string {
  const record = createHash('sha256').update(serialize([event.class, event.key]));
  return OF_RECORD + record.digest('base64url');
}

/** The stored form of an event: a record, a change, or the whole event when its change is no longer kept. */
function kept(log: ChangeLog, event: Draft): Omit<Note, 'error' | 'attempts'> {
  const { kind, field, class: name } = event;
  const named = { kind, field, class: name };
  const inBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  if (kind === SNAPSHOT)
    return { ...named, data: inBase64(serialize((event as Draft & { after: unknown }).after)) };
  try {
    return { ...named, data: inBase64(changeAt(log, placeIn(event.position))) };
  } catch (error) {
    if (!(error instanceof PositionLostError)) throw error;
  }
  const { ack: _, redelivered: _its, attempt: _own, ...told } = event as Draft & Record<string, unknown>;
  return { ...named, isEvent: true, data: inBase64(serialize(told)) };
}

/** The change from which the event was made. */
function changeAt(log: ChangeLog, { seq, index }: Place): Uint8Array {
  const cursor = log.cursor({ seq: seq - 1, index: WHOLE });
  let copy: Uint8Array = new Uint8Array();
  for (let each = cursor.next(); each !== undefined && each.seq === seq; each = cursor.next()) {
    const change = each.changes();
    for (let at = each.first; change.next(); at += 1) {
      if (at === index || index === WHOLE) copy = change.copy();
      if (at === index) return copy;
    }
    if (each.isLast) break;
  }
  return copy;
}
