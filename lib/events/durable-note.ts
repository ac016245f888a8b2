import { randomUUID } from 'node:crypto';
import { isDamage } from '../damage';
import { PositionLostError, SpecChangedError, SubscriptionBusyError } from '../errors';
import { type ChangeLog, NOWHERE, type Pen, type Place, WHOLE } from './change-log';
import { isAlive, type Lease } from './lease';
import { isInteger, isObject, parseNote } from './note-text';
import { forgetParked, forgetParkedRecords } from './parked';
import { formatPosition } from './position';
import { afterHolder, NEVER_TOLD, ofOtherEvents, type Progress, type Tellings } from './tellings';

/** The stored state of a durable subscription. */
export interface Note extends Tellings {
  readonly spec: string;
  /** Created with the subscription: one created under the same name after forget() has another id. */
  readonly id: string;
  readonly place: Place;
  /** The existing records must be delivered before the events after the place. */
  readonly isSnapshotDue: boolean;
  /** The last of these records that was acknowledged in a transaction. */
  readonly record?: string | undefined;
  readonly lease: Lease | undefined;
  /** Grows with each holder; writes of earlier holders are refused. */
  readonly fence: number;
  /**
   * The progress of the current or latest holder. The tellings are those of the holders before it, counted from its
   * start.
   */
  readonly progress: Progress;
}

/** A note while the subscription has a holder. */
export type HeldNote = Note & { readonly lease: Lease };

export interface DurableSetup {
  readonly name: string;
  readonly spec: string;
  /** The start of a new subscription. */
  readonly from: Place;
  readonly withSnapshot: boolean;
  readonly migrate: boolean;
  readonly isManual: boolean;
  /** With automatic acknowledgement: positions within a transaction count, not only those at its end. */
  readonly ackWithin: boolean;
  readonly onLost: 'error' | 'snapshot';
  /** How long to wait for the current holder to leave, in ms. */
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

/** Rejects with SubscriptionBusyError, SpecChangedError or PositionLostError. */
export function takeName(log: ChangeLog, setup: DurableSetup, lease: Lease): Promise<HeldNote> {
  const { name } = setup;
  const head = log.head();
  return log.notes.write((pen) => {
    const note = succeed(log, setup, readNote(pen, name), head, lease);
    // All records will be delivered again, with their current values.
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

/** The first transaction with events after the place. */
function following({ seq, index }: Place): number {
  return index === WHOLE ? seq + 1 : seq;
}

/**
 * Removes everything stored for the name. This also works when the note is damaged, because then nobody can hold the
 * name.
 */
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

/** The records removed by a deleteAll are not needed for this name any more. */
export function forgetExpansion(log: ChangeLog, pen: Pen, name: string): void {
  for (const { id } of log.classes) pen.write(`expand:${id}:durable:${name}`, undefined);
}

export function busy(name: string): SubscriptionBusyError {
  return new SubscriptionBusyError(`the durable subscription ${name} is held by somebody else`);
}
