import {
  checkFunction,
  checkOptions,
  checkSignal,
  checkTimeout,
  invalidArgument,
  optionNames,
} from '../arguments';
import { encodeExpiry, encodeSpan } from './expiry';
import type { OperationOptions } from './options';

/** What a loader is told. */
export interface Load {
  readonly key: string;
  /** Aborts when the lease is over, and with the database: nobody wants the value any more. */
  readonly signal: AbortSignal;
}

/** Makes the value of a key. undefined: there is none, and nothing is stored. */
export type Loader<T> = (load: Load) => T | undefined | PromiseLike<T | undefined>;

export interface LoadOptions<T = unknown> extends OperationOptions {
  /**
   * Seconds for which a value is fresh, 0 or more; 0 means for ever, and excludes `staleFor`. A function is asked about each
   * value that was loaded.
   */
  readonly ttl: number | ((value: T) => number);
  /** Seconds after those in which the old value is given while one caller loads a new one. Default 0. */
  readonly staleFor?: number | undefined;
  /** Seconds that a loader has before another caller may load, from 1 to 86400. Default 30. */
  readonly lease?: number | undefined;
  /** Hears what no caller can be told: errors of loading while all have an old value, and of storing. */
  readonly onError?: ((error: unknown, key: string) => void) | undefined;
}

const LOAD_NAMES = optionNames<LoadOptions>({
  timeout: true,
  signal: true,
  ttl: true,
  staleFor: true,
  lease: true,
  onError: true,
});

const DEFAULT_LEASE = 30;
const LONGEST_LEASE = 24 * 60 * 60;

/** What one call wants, checked. */
export interface Wanted {
  readonly key: string;
  readonly loader: Loader<unknown>;
  /** Seconds; also the wire's expiry. */
  readonly lease: number;
  /** The wire's expiry of a span; 0: a record is claimed only when it is missing or stale. */
  readonly recache: number;
  /** ms; undefined: the client's. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onError: ((error: unknown, key: string) => void) | undefined;
  /** The wire's expiry of a value. Throws InvalidArgumentError for what the user's function returns, and what that throws. */
  expiryOf(value: unknown): number;
}

export function checkLoad<T>(
  key: string,
  loader: Loader<T>,
  options: LoadOptions<T>,
  now: () => number,
): Wanted {
  checkFunction('loader', loader);
  checkOptions(options, LOAD_NAMES);
  const { ttl, staleFor = 0, lease = DEFAULT_LEASE, timeout, signal, onError } = options;
  if (onError !== undefined) checkFunction('onError', onError);
  if (ttl === undefined) throw invalidArgument('ttl', 'getOrLoad needs ttl');
  const recache = encodeExpiry({ ttl: staleFor }, now, 'staleFor');
  if (!(encodeSpan('lease', lease, now) <= LONGEST_LEASE) || lease < 1)
    throw invalidArgument('lease', `lease is a number of seconds from 1 to ${LONGEST_LEASE}`);
  const expiryOf = (seconds: number): number => {
    encodeExpiry({ ttl: seconds }, now);
    return encodeExpiry({ ttl: seconds === 0 ? 0 : seconds + staleFor }, now);
  };
  if (typeof ttl !== 'function') expiryOf(ttl);
  if (ttl === 0 && staleFor > 0)
    throw invalidArgument('staleFor', 'staleFor is for values that get stale: with a ttl of 0 they never do');
  return {
    key,
    loader,
    lease: Math.ceil(lease),
    recache,
    timeout: timeout === undefined ? undefined : checkTimeout(timeout),
    signal: signal === undefined ? undefined : checkSignal(signal),
    onError,
    expiryOf: (value) => expiryOf(typeof ttl === 'function' ? ttl(value as T) : ttl),
  };
}
