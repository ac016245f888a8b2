import { InvalidArgumentError } from './errors';

/** The error of a bad argument, which it names. */
export function invalidArgument(argument: string, message: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(message, { cause, context: { argument } });
}

/** A value as a message shows it, short and on one line. None of the value's own code runs, and nothing is thrown. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case 'bigint':
      return `${value}n`;
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? 'an array' : 'an object';
    case 'function':
      return 'a function';
    default:
      return String(value);
  }
}

/** What somebody threw, in words: anything can be thrown, also what has none. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return shown(thrown);
  }
}

/** Throws for what is no object with options in it. */
export function checkOptions(options: unknown, argument = 'options'): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(argument, `${argument} is an object, not ${shown(options)}`);
  }
}

export function checkFlag(argument: string, value: boolean): boolean {
  if (typeof value !== 'boolean')
    throw invalidArgument(argument, `${argument} is true or false, not ${shown(value)}`);
  return value;
}

// setTimeout's bound as well: about 24 days.
export const LARGEST_TIMEOUT = 0x7fffffff;

/** A timeout in ms: more than 0, at most 2^31 - 1; a fraction counts as a whole millisecond. */
export function checkTimeout(timeout: number, argument = 'timeout'): number {
  if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= LARGEST_TIMEOUT)) {
    const range = `a number of milliseconds from 1 to ${LARGEST_TIMEOUT}`;
    throw invalidArgument(argument, `${argument} is ${range}, not ${shown(timeout)}`);
  }
  return Math.ceil(timeout);
}
