import { randomUUID } from 'node:crypto';
import { isDamage } from '../damage';
import { PositionLostError, SpecChangedError, SubscriptionBusyError } from '../errors';
import { type ChangeLog, NOWHERE, type Pen, type Place, WHOLE } from './change-log';
import { isAlive, type Lease } from './lease';
import { isInteger, isObject, parseNote } from './note-text';
import { forgetParked, forgetParkedRecords } from './parked';
import { formatPosition } from './position';
import { afterHolder, NEVER_TOLD, ofOtherEvents, type Progress, type Tellings } from './tellings';

/** What the database knows of a durable subscription. */
export interface Note extends Tellings {
  readonly spec: string;
  /** Made with the name: another that was made after it had been given up is not the same. */
  readonly id: string;
  readonly place: Place;
  /** The records themselves are still to be told before what follows the place. */
  readonly isSnapshotDue: boolean;
  /** Of those, the last that was acknowledged in a transaction. */
  readonly record?: string | undefined;
  readonly lease: Lease | undefined;
  /** Grows with each holder: what an earlier one still writes is refused. */
  readonly fence: number;
  /** Of the holder, or of the last there was. The tellings are those of the ones before, from where it began. */
  readonly progress: Progress;
}

/** A note while somebody holds the name. */
export type HeldNote = Note & { readonly lease: Lease };

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

const NOTHING_YET: Progress = { passed: 0, told: 0, may: 0 };

const noteName = (name: string): string => `durable:${name}`;

export function readNote(pen: Pick<Pen, 'read'>, name: string): Note | undefined {
  const text = pen.read(noteName(name));
  return text === undefined ? undefined : parseNote(text, isNote, `the durable subscription ${name}`);
}

function isNote(value: unknown): value is Note {
  if (!isObject(value)) return false;
  const { spec, id, place, isSnapshotDue, record, lease, fence, progress, told, maybe } = value;
  return (
    typeof spec === 'string' &&
    typeof id === 'string' &&
    hasIntegers(place, ['seq', 'index']) &&
    (place.part === undefined || isInteger(place.part)) &&
    typeof isSnapshotDue === 'boolean' &&
    (record === undefined || typeof record === 'string') &&
    (lease === undefined || isLease(lease)) &&
    isInteger(fence) &&
    hasIntegers(progress, ['passed', 'told', 'may']) &&
    Array.isArray(told) &&
    told.every(isPair) &&
    isPair(maybe)
  );
}

function hasIntegers(value: unknown, names: readonly string[]): value is Readonly<Record<string, unknown>> {
  return isObject(value) && names.every((name) => isInteger(value[name]));
}

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isInteger);
}

function isLease(value: unknown): boolean {
  return (
    hasIntegers(value, ['pid']) &&
    typeof value.holder === 'string' &&
    typeof value.host === 'string' &&
    typeof value.until === 'number'
  );
}

export function writeNote(pen: Pen, name: string, note: Note): void {
  pen.write(noteName(name), JSON.stringify(note));
}

/** SubscriptionBusyError, SpecChangedError, PositionLostError. */
export function takeName(log: ChangeLog, setup: DurableSetup, lease: Lease): Promise<HeldNote> {
  const { name } = setup;
  const head = log.head();
  return log.notes.write((pen) => {
    const note = succeed(log, setup, readNote(pen, name), head, lease);
    // All records are told anew, as they are by now.
    if (note.isSnapshotDue) forgetParkedRecords(log, pen, name);
    writeNote(pen, name, note);
    return note;
  });
}

/** The note of the next holder. */
function succeed(
  log: ChangeLog,
  setup: DurableSetup,
  old: Note | undefined,
  head: { readonly oldest: number },
  lease: Lease,
): HeldNote {
  const { name, spec, migrate, onLost } = setup;
  const begun = { lease, progress: NOTHING_YET };
  if (old === undefined) {
    const { from: place, withSnapshot: isSnapshotDue } = setup;
    return { spec, id: randomUUID(), place, isSnapshotDue, fence: 1, ...begun, ...NEVER_TOLD };
  }
  if (old.lease !== undefined && isAlive(old.lease)) throw busy(name);
  if (old.spec !== spec && !migrate)
    throw new SpecChangedError(`the durable subscription ${name} was made for other events`);
  const tellings = afterHolder(old, old.progress);
  const known = old.spec === spec ? tellings : ofOtherEvents(tellings);
  const next = { ...old, spec, fence: old.fence + 1, ...begun, ...known };
  if (following(old.place) >= head.oldest || old.isSnapshotDue) return next;
  if (onLost === 'snapshot') return { ...next, place: NOWHERE, isSnapshotDue: true, ...NEVER_TOLD };
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

/** Removes all that the database knows of the name, also where that is damaged: then nobody can hold it. */
export function forget(log: ChangeLog, name: string): Promise<boolean> {
  return log.notes.write((pen) => {
    if (pen.read(noteName(name)) === undefined) return false;
    const lease = leaseOf(pen, name);
    if (lease !== undefined && isAlive(lease)) throw busy(name);
    pen.write(noteName(name), undefined);
    forgetParked(log, pen, name);
    forgetExpansion(log, pen, name);
    return true;
  });
}

function leaseOf(pen: Pen, name: string): Lease | undefined {
  try {
    return readNote(pen, name)?.lease;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** Nobody wants the victims of a deleteAll for the name any more. */
export function forgetExpansion(log: ChangeLog, pen: Pen, name: string): void {
  for (const { id } of log.classes) pen.write(`expand:${id}:durable:${name}`, undefined);
}

export function busy(name: string): SubscriptionBusyError {
  return new SubscriptionBusyError(`the durable subscription ${name} is held by somebody else`);
}
