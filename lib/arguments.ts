import { InvalidArgumentError } from './errors';

/** The error of a bad argument, which it names. */
export function invalidArgument(argument: string, message: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(message, { cause, context: { argument } });
}

// setTimeout's bound as well: about 24 days.
export const LARGEST_TIMEOUT = 0x7fffffff;

/** A timeout in ms: more than 0, at most 2^31 - 1; a fraction counts as a whole millisecond. */
export function checkTimeout(timeout: number, argument = 'timeout'): number {
  if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= LARGEST_TIMEOUT)) {
    const range = `a number of milliseconds from 1 to ${LARGEST_TIMEOUT}`;
    throw invalidArgument(argument, `${argument} is ${range}, not ${String(timeout)}`);
  }
  return Math.ceil(timeout);
}
