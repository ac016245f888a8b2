import { InvalidArgumentError } from './errors';
import { isError } from './foreign';
import { nearest } from './nearest';
import { excerpt, shorten } from './text';

/** The error for an invalid argument; its context names the argument. */
export function invalidArgument(argument: string, message: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(message, { cause, context: { argument } });
}

/** A short, single-line form of a value for messages. Runs none of the value's code and never throws. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return excerpt(JSON.stringify(shorten(value, 40)), Number.POSITIVE_INFINITY);
    case 'bigint':
      // Converting a large bigint to text takes quadratic time.
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

/** The message of a thrown value; anything can be thrown, including values without a message. */
export function messageOf(thrown: unknown): string {
  try {
    return String(isError(thrown) ? thrown.message : thrown);
  } catch {
    return shown(thrown);
  }
}

/** The property names of `Options`; the compiler keeps the list complete. */
export function optionNames<Options>(
  names: {
    readonly [Name in keyof Options]-?: true;
  },
): ReadonlySet<string> {
  return new Set(Object.keys(names));
}

/**
 * Checks that options are an object without unknown properties, so that misspelled names do not go unnoticed. An
 * undefined property counts as absent; each option rejects null itself.
 */
export function checkOptions(
  options: unknown,
  known: ReadonlySet<string>,
  argument = 'options',
): Readonly<Record<string, unknown>> {
  const object = checkObject(options, argument);
  // Faster than Object.keys(); whether a property is inherited matters only if it would be refused.
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

/** Throws for anything but an object with named properties. */
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
    // An object that merely inherits from AbortSignal throws when read.
    if (value instanceof AbortSignal && typeof value.aborted === 'boolean') return value;
  } catch {}
  throw invalidArgument('signal', `signal is an AbortSignal, not ${shown(value)}`);
}

export function checkFunction(argument: string, value: unknown): void {
  if (typeof value !== 'function')
    throw invalidArgument(argument, `${argument} is a function, not ${shown(value)}`);
}

// The limit of setTimeout, too: about 24 days.
export const LARGEST_TIMEOUT = 0x7fffffff;

/** Checks a timeout in ms: more than 0, at most 2^31 - 1. Fractions are rounded up. */
export function checkTimeout(timeout: number, argument = 'timeout'): number {
  if (typeof timeout !== 'number' || !(timeout > 0 && timeout <= LARGEST_TIMEOUT)) {
    const range = `a number of milliseconds from 1 to ${LARGEST_TIMEOUT}`;
    throw invalidArgument(argument, `${argument} is ${range}, not ${shown(timeout)}`);
  }
  return Math.ceil(timeout);
}
