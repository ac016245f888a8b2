import { MAX_RELATIVE_SECONDS } from '../protocol';
import { counterValue } from '../store';

/** Numbers of the text protocols as memcached's `safe_strto…` reads them; undefined for what it refuses. */

export const uint64 = counterValue;

/** Higher bits than 32 are lost, as in memcached. */
export function uint32(text: string): number | undefined {
  const value = counterValue(text);
  return value === undefined ? undefined : Number(BigInt.asUintN(32, value));
}

const LEAST_I64 = -(2n ** 63n);
const MOST_I64 = 2n ** 63n - 1n;

/** Higher bits than 32 are lost, as in memcached. */
export function int32(text: string): number | undefined {
  const digits = /^[ \t\n\v\f\r]*([+-]?\d+)(?![^ \t\n\v\f\r\0])/.exec(text)?.[1];
  if (digits === undefined) return undefined;
  const value = BigInt(digits.replace(/^\+/, ''));
  return value < LEAST_I64 || value > MOST_I64 ? undefined : Number(BigInt.asIntN(32, value));
}

/** An expiry of the protocol; a negative one is over at once. */
export function expiry(text: string): number | undefined {
  const value = int32(text);
  return value !== undefined && value < 0 ? MAX_RELATIVE_SECONDS + 1 : value;
}
