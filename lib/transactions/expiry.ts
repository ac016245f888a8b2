import { types } from 'node:util';
import { invalidArgument, shown } from '../arguments';
import { dateNow } from '../platform';

/** When a record expires: after `ttl` seconds (0: never) or at `expiresAt`. Give at most one of them. */
export interface ExpiryOptions {
  /** Seconds from now, 0 or more; fractions are rounded up, 0 means never. */
  readonly ttl?: number | undefined;
  /** Rounded up to the second. */
  readonly expiresAt?: Date | undefined;
}

export const hasExpiry = ({ ttl, expiresAt }: ExpiryOptions): boolean =>
  ttl !== undefined || expiresAt !== undefined;

// Up to this number the server reads seconds from now, above it Unix time (memcached's protocol.txt).
const LARGEST_RELATIVE = 30 * 24 * 60 * 60;
const LARGEST = 0xffffffff;

/** The u32 of the wire. Fractions of a second are rounded up: a record never expires early. */
export function encodeExpiry(options: ExpiryOptions, now: () => number = dateNow, argument = 'ttl'): number {
  const { ttl, expiresAt } = options;
  if (ttl === undefined) return expiresAt === undefined ? 0 : encodeMoment(expiresAt);
  if (expiresAt !== undefined) throw invalidArgument('ttl', 'ttl and expiresAt exclude each other');
  if (typeof ttl !== 'number' || !(ttl >= 0))
    throw invalidArgument(argument, `${argument} is a number of seconds, 0 or more, not ${shown(ttl)}`);
  const seconds = Math.ceil(ttl);
  if (seconds <= LARGEST_RELATIVE) return seconds;
  const moment = Math.ceil(now() / 1000) + seconds;
  if (moment >= LARGEST)
    throw invalidArgument(
      argument,
      `${argument} ends after the year 2106, which the protocol cannot represent: ${ttl}`,
    );
  return moment;
}

/** The u32 of the wire for a time span from now; `seconds` must be more than 0. */
export function encodeSpan(argument: string, seconds: number, now: () => number): number {
  if (typeof seconds !== 'number' || !(seconds > 0))
    throw invalidArgument(argument, `${argument} is a number of seconds, more than 0, not ${shown(seconds)}`);
  return encodeExpiry({ ttl: seconds }, now, argument);
}

function encodeMoment(expiresAt: Date): number {
  const milliseconds = types.isDate(expiresAt) ? expiresAt.getTime() : Number.NaN;
  if (Number.isNaN(milliseconds)) throw invalidArgument('expiresAt', 'expiresAt is a valid Date');
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds >= LARGEST)
    throw invalidArgument(
      'expiresAt',
      'expiresAt is after the year 2106, which the protocol cannot represent',
    );
  // A date in the past must stay in the past; the server would read a small number as a duration.
  return Math.max(seconds, LARGEST_RELATIVE + 1);
}
