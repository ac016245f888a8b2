import { invalidArgument, shown } from '../arguments';
import { EpochMismatchError } from '../errors';
import { type Place, WHOLE } from './change-log';

const FORM = /^([0-9a-f]{12})\.([0-9a-z]{1,11})\.([0-9a-z]{1,7})(?:\.([0-9a-z]{1,4}))?$/;

/** The user's form of a place: an opaque string. */
export function formatPosition(epoch: string, { seq, index, part }: Place): string {
  return positionsIn(epoch, seq)(index, part);
}

const WHOLE_IN_BASE_36 = WHOLE.toString(36);
/** A table, because runtimes allocate such a string on every conversion. */
const SMALL_IN_BASE_36: readonly string[] = Array.from({ length: 1024 }, (_each, i) => i.toString(36));

function inBase36(number: number): string {
  if (number === WHOLE) return WHOLE_IN_BASE_36;
  return number < SMALL_IN_BASE_36.length ? (SMALL_IN_BASE_36[number] as string) : number.toString(36);
}

/** Positions within one transaction. */
export function positionsIn(epoch: string, seq: number): (index: number, part?: number) => string {
  const transaction = `${epoch}.${seq.toString(36)}.`;
  return (index, part) => {
    const position = transaction + inBase36(index);
    return part === undefined ? position : `${position}.${inBase36(part)}`;
  };
}

/** Throws InvalidArgumentError for a malformed position, EpochMismatchError for one of another database. */
export function parsePosition(epoch: string, given: unknown, argument: string): Place {
  const parts = typeof given === 'string' ? FORM.exec(given) : null;
  if (parts === null)
    throw invalidArgument(argument, `${argument} is a position from an event, not ${shown(given)}`);
  if (parts[1] !== epoch) {
    throw new EpochMismatchError(
      `${argument} is a position of another database, or of this one before it was restored`,
      { context: { argument } },
    );
  }
  return placeIn(given as string);
}

/** The place of a position that is known to be valid. */
export function placeIn(position: string): Place {
  const [, seq = '', index = '', part] = position.split('.');
  const place = { seq: Number.parseInt(seq, 36), index: Number.parseInt(index, 36) };
  return part === undefined ? place : { ...place, part: Number.parseInt(part, 36) };
}

export function isLater(a: Place, b: Place): boolean {
  if (a.seq !== b.seq) return a.seq > b.seq;
  if (a.index !== b.index) return a.index > b.index;
  return (a.part ?? Number.POSITIVE_INFINITY) > (b.part ?? Number.POSITIVE_INFINITY);
}
