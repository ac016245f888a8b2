import { InvalidArgumentError } from './errors';
import { isError } from './foreign';
import { nearest } from './nearest';
import { excerpt, shorten } from './text';

/** The error of a bad argument, which it names. */
export function invalidArgument(argument: string, message: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(message, { cause, context: { argument } });
}

/** A value as a message shows it, short and on one line. None of the value's own code runs, and nothing is thrown. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return excerpt(JSON.stringify(shorten(value, 40)), Number.POSITIVE_INFINITY);
    case 'bigint':
      // To spell a large one takes a time that grows with its square.
      return BigInt.asIntN(128, value) === value ? `${value}n` : 'a bigint of more than 128 bits';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? 'an array' : 'an object';
    case 'function':
      return 'a function';
    default:
      return excerpt(String(value));
  }
}

/** What somebody threw, in words: anything can be thrown, also what has none. */
export function messageOf(thrown: unknown): string {
  try {
    return String(isError(thrown) ? thrown.message : thrown);
  } catch {
    return shown(thrown);
  }
}

/** The names of the properties of `Options`, which the compiler keeps complete. */
export function optionNames<Options>(
  names: {
    readonly [Name in keyof Options]-?: true;
  },
): ReadonlySet<string> {
  return new Set(Object.keys(names));
}

/**
 * An object of options: nothing but the properties it may have, or a typing error would go unnoticed. One that is undefined
 * is as good as absent; null is a value, which each option refuses by itself.
 */
export function checkOptions(
  options: unknown,
  known: ReadonlySet<string>,
  argument = 'options',
): Readonly<Record<string, unknown>> {
  const object = checkObject(options, argument);
  // Faster than Object.keys(); that a property is inherited matters only where it would be refused.
  for (const name in object)
    if (!known.has(name) && Object.hasOwn(object, name)) refuse(name, known, argument);
  return object;
}

function refuse(stranger: string, known: ReadonlySet<string>, argument: string): never {
  const meant = nearest(stranger, known);
  const hint = meant === undefined ? '' : `, did you mean ${meant}?`;
  const names = known.size === 0 ? 'it has none' : `it may have ${[...known].join(', ')}`;
  throw invalidArgument(argument, `${argument} has no property ${shown(stranger)}${hint} (${names})`);
}

/** Throws for what is no object with named properties. */
export function checkObject(value: unknown, argument: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidArgument(argument, `${argument} is an object, not ${shown(value)}`);
  return value as Readonly<Record<string, unknown>>;
}

export function checkFlag(argument: string, value: boolean): boolean {
  if (typeof value !== 'boolean')
    throw invalidArgument(argument, `${argument} is true or false, not ${shown(value)}`);
  return value;
}

export function checkSignal(value: unknown): AbortSignal {
  try {
    // What merely inherits from one throws when it is asked.
    if (value instanceof AbortSignal && typeof value.aborted === 'boolean') return value;
  } catch {}
  throw invalidArgument('signal', `signal is an AbortSignal, not ${shown(value)}`);
}

export function checkFunction(argument: string, value: unknown): void {
  if (typeof value !== 'function')
    throw invalidArgument(argument, `${argument} is a function, not ${shown(value)}`);
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
