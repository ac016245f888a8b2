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

/** The argument of a loader. */
export interface Load {
  readonly key: string;
  /** Aborts when the lease expires or the database is closed: the value is not needed any more. */
  readonly signal: AbortSignal;
}

/** Produces the value of a key. undefined: there is no value, and nothing is stored. */
export type Loader<T> = (load: Load) => T | undefined | PromiseLike<T | undefined>;

export interface LoadOptions<T = unknown> extends OperationOptions {
  /**
   * Seconds for which a value is fresh, 0 or more; 0 means for ever and excludes `staleFor`. A function is called for
   * each loaded value.
   */
  readonly ttl: number | ((value: T) => number);
  /** Seconds after `ttl` during which callers get the old value while one of them loads a new one. Default 0. */
  readonly staleFor?: number | undefined;
  /** Seconds that a loader may take before another caller may load, from 1 to 86400. Default 30. */
  readonly lease?: number | undefined;
  /**
   * Receives errors that no call rejects with: errors of a loader when all callers got an old value, and errors of
   * storing.
   */
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

/** The checked arguments of one call. */
export interface Wanted {
  readonly key: string;
  readonly loader: Loader<unknown>;
  /** Seconds; also the expiry on the wire. */
  readonly lease: number;
  /**
   * The remaining time to live below which a record is claimed, as an expiry on the wire; 0: only when it is missing or
   * stale.
   */
  readonly recache: number;
  /** ms; undefined: the client's timeout. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onError: ((error: unknown, key: string) => void) | undefined;
  /**
   * The expiry of a value on the wire. Throws InvalidArgumentError when the user's function returns a bad number, and
   * rethrows what that function throws.
   */
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
