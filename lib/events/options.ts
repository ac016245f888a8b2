// Checks of subscription options. Each throws InvalidArgumentError naming the argument.
import { checkOptions, checkTimeout, invalidArgument, optionNames, shown } from '../arguments';
import type { ErrorPolicy, Policy } from './subscription';

export const SNAPSHOT_NAMES = optionNames<{ readonly snapshot: true }>({ snapshot: true });
const POLICY = optionNames<ErrorPolicy>({ retries: true, backoff: true, timeout: true, outcome: true });

export function checkDurableName(name: unknown): string {
  if (typeof name !== 'string' || !/^[\w.-]{1,128}$/.test(name))
    throw invalidArgument(
      'name',
      `name is 1 to 128 letters, digits, dots, dashes and underscores, not ${shown(name)}`,
    );
  return name;
}

export function checkHandler(handler: unknown): void {
  if (typeof handler !== 'function')
    throw invalidArgument('handler', `handler is a function, not ${shown(handler)}`);
}

export function checkConcurrency(given: number | undefined, most: number): number {
  const concurrency = given === undefined ? 1 : given;
  if (Number.isSafeInteger(concurrency) && concurrency >= 1 && concurrency <= most) return concurrency;
  const range = most === 1 ? '1 for a durable subscription' : `an integer from 1 to ${most}`;
  throw invalidArgument('concurrency', `concurrency is ${range}, not ${shown(given)}`);
}

export function checkPolicy(given: ErrorPolicy | undefined, endings: readonly string[]): Policy {
  if (given !== undefined) checkOptions(given, POLICY, 'onError');
  const { retries = 0, backoff = 100, outcome = 'stop', timeout } = given ?? {};
  if (timeout !== undefined) checkTimeout(timeout, 'onError.timeout');
  if (!Number.isSafeInteger(retries) || retries < 0)
    throw invalidArgument(
      'onError.retries',
      `onError.retries is an integer, 0 or more, not ${shown(retries)}`,
    );
  if (typeof backoff !== 'number' || !(backoff >= 0))
    throw invalidArgument('onError.backoff', `onError.backoff is ms, 0 or more, not ${shown(backoff)}`);
  if (!endings.includes(outcome))
    throw invalidArgument(
      'onError.outcome',
      `onError.outcome is one of ${endings.join(', ')}, not ${shown(outcome)}`,
    );
  return { retries, backoff, outcome, timeout };
}

/** Sorted and without duplicates, so that equal sets compare equal. */
export function sorted<T>(given: readonly T[] | undefined): readonly T[] | undefined {
  return Array.isArray(given) ? [...new Set<T>(given)].sort() : given;
}
