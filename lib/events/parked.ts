import { createHash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { messageOf } from '../arguments';
import type { Transaction } from '../transactions/transaction';
import { type ChangeLog, NOWHERE, type Pen, type Place, WHOLE } from './change-log';
import type { Draft, Filter } from './filter';
import { formatPosition, placeIn } from './position';
import { snapshotEvent } from './snapshot-source';

/** An event of a durable subscription that was given up. */
export interface ParkedEvent<E> {
  readonly event: E;
  /** What its handler last failed with. */
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
  /** Bytes in base64: of an event of kind 'snapshot' the record, of others the change. */
  readonly data: string;
}

const SNAPSHOT = 'snapshot';

/** What the handler of a durable subscription was not done with, kept in the database until it is. */
export class ParkedEvents {
  readonly #log: ChangeLog;
  readonly #prefix: string;
  #replaying: Promise<unknown> = Promise.resolve();

  constructor(log: ChangeLog, name: string) {
    this.#log = log;
    this.#prefix = `parked:${name}:`;
  }

  async add(event: Draft, error: unknown, attempts: number): Promise<void> {
    const isRecord = event.kind === SNAPSHOT;
    const bytes = isRecord
      ? serialize((event as Draft & { after: unknown }).after)
      : changeAt(this.#log, placeIn(event.position));
    const note: Note = {
      error: messageOf(error),
      attempts,
      kind: event.kind,
      field: event.field,
      class: event.class,
      data: Buffer.from(bytes).toString('base64'),
    };
    const name = this.#prefix + (isRecord ? nameOfRecord(event) : nameOfPlace(placeIn(event.position)));
    await this.#log.notes.write((pen) => pen.write(name, JSON.stringify(note)));
  }

  list(filter: Filter): ParkedEvent<unknown>[] {
    return this.#notes().flatMap(({ note }) => {
      const event = this.#eventOf(filter, note);
      return event === undefined ? [] : [{ event, error: note.error, attempts: note.attempts }];
    });
  }

  /** Gives the handler what was parked, in its order; what it fails with again stays. How many it did not. One at a time. */
  replay(filter: Filter, handler: (event: unknown) => unknown): Promise<number> {
    const replayed = this.#replaying.then(() => this.#replay(filter, handler));
    this.#replaying = replayed.catch(() => {});
    return replayed;
  }

  async #replay(filter: Filter, handler: (event: unknown) => unknown): Promise<number> {
    let replayed = 0;
    for (const { name, note } of this.#notes()) {
      const event = this.#eventOf(filter, note);
      if (event === undefined) continue;
      const attempts = note.attempts + 1;
      const marks = {
        redelivered: true,
        attempt: attempts,
        ack: (transaction?: Transaction) => this.#acknowledge(name, transaction),
      };
      let error: string | undefined;
      try {
        await handler(Object.assign(event, marks));
      } catch (thrown) {
        error = messageOf(thrown);
      }
      const again = error === undefined ? undefined : JSON.stringify({ ...note, attempts, error });
      replayed += Number(await this.#settle(name, again));
    }
    return replayed;
  }

  forget(pen: Pen): void {
    for (const name of this.#log.notes.list(this.#prefix)) pen.write(name, undefined);
  }

  async #acknowledge(name: string, transaction: Transaction | undefined): Promise<void> {
    const remove = (pen: Pen): void => pen.write(name, undefined);
    if (transaction === undefined) await this.#log.notes.write(remove);
    else this.#log.notes.enlist(transaction, remove, () => {});
  }

  /** Whether it is done with: also what was acknowledged before its handler failed. */
  #settle(name: string, again: string | undefined): Promise<boolean> {
    return this.#log.notes.write((pen) => {
      const isDone = again === undefined || pen.read(name) === undefined;
      pen.write(name, isDone ? undefined : again);
      return isDone;
    });
  }

  #notes(): { readonly name: string; readonly note: Note }[] {
    const { notes } = this.#log;
    return notes.list(this.#prefix).flatMap((name) => {
      const text = notes.read(name);
      return text === undefined ? [] : [{ name, note: JSON.parse(text) as Note }];
    });
  }

  /** undefined: the subscription is not for it any more. */
  #eventOf(filter: Filter, note: Note): Draft | undefined {
    const bytes = Buffer.from(note.data, 'base64');
    if (note.kind === SNAPSHOT) return this.#snapshotOf(filter, note.class, bytes);
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

  #snapshotOf(filter: Filter, name: string, bytes: Buffer): Draft | undefined {
    const record = deserialize(bytes) as Readonly<Record<string, unknown>>;
    const logged = [...this.#log.classes].find(({ definition }) => definition.name === name);
    if (logged === undefined || !filter.isFor(logged, record)) return undefined;
    return snapshotEvent(logged, record, formatPosition(this.#log.epoch, NOWHERE));
  }
}

/** In the order of the events; an update may be several. */
function nameOfPlace({ seq, index, part = WHOLE }: Place): string {
  return [seq, index, part].map((each) => String(each).padStart(16, '0')).join(':');
}

/** Before all that is named by its place; keys may be longer than names. */
function nameOfRecord(event: Draft): string {
  const record = createHash('sha256').update(serialize([event.class, event.key]));
  return `${'0'.repeat(16)}:${record.digest('base64url')}`;
}

/** The change that an event was made of. */
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
