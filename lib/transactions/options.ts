import { optionNames } from '../arguments';
import type { ExpiryOptions } from './expiry';

/** What every operation takes. */
export interface OperationOptions {
  /**
   * Milliseconds until the operation rejects with TimeoutError, counted from the call (in a scheduling context: from
   * leave). It covers queueing, connecting and retrying.
   */
  readonly timeout?: number | undefined;
  /**
   * Rejects the operation with the signal's reason. Before it is written it is withdrawn; afterwards the server may
   * have executed it all the same.
   */
  readonly signal?: AbortSignal | undefined;
}

export interface GetManyOptions extends OperationOptions {
  /** true: resolves to a PartialResult, in which a key that fails has its error. Default false. */
  readonly partial?: boolean | undefined;
}

export interface WriteOptions extends OperationOptions, ExpiryOptions {
  /**
   * The version that the record gets, such as that of a row elsewhere, instead of one of the server's. Unsigned, 64 bits, not 0.
   * UnsupportedError for servers before memcached 1.6.27, and where the meta protocol is not spoken.
   */
  readonly setCas?: bigint | undefined;
}

export interface ConditionalOptions extends OperationOptions {
  /** Only while the record still has this version; otherwise CasMismatchError. Unsigned, 64 bits, not 0. */
  readonly cas?: bigint | undefined;
}

export interface ConditionalWriteOptions extends WriteOptions, ConditionalOptions {}

export interface InvalidateOptions extends ConditionalOptions {
  /** For how many seconds the stale record is kept, more than 0; without it for as long as it would have been kept. */
  readonly staleFor?: number | undefined;
}

export interface CounterOptions extends OperationOptions, ExpiryOptions {
  /** How much to add or take away; 1 without it. Unsigned, 64 bits. */
  readonly delta?: bigint | number | undefined;
  /** What a missing counter is created with; without it a missing counter stays missing. Unsigned, 64 bits. */
  readonly initial?: bigint | number | undefined;
}

const TIMING = { timeout: true, signal: true } as const;
const EXPIRY = { ttl: true, expiresAt: true } as const;

export const OPERATION_NAMES = optionNames<OperationOptions>(TIMING);
export const GET_MANY_NAMES = optionNames<GetManyOptions>({ ...TIMING, partial: true });
export const TOUCH_NAMES = optionNames<ExpiryOptions & OperationOptions>({ ...TIMING, ...EXPIRY });
export const WRITE_NAMES = optionNames<WriteOptions>({ ...TIMING, ...EXPIRY, setCas: true });
export const CONDITIONAL_NAMES = optionNames<ConditionalOptions>({ ...TIMING, cas: true });
export const CONDITIONAL_WRITE_NAMES = optionNames<ConditionalWriteOptions>({
  ...TIMING,
  ...EXPIRY,
  cas: true,
  setCas: true,
});
export const INVALIDATE_NAMES = optionNames<InvalidateOptions>({ ...TIMING, cas: true, staleFor: true });
export const COUNTER_NAMES = optionNames<CounterOptions>({
  ...TIMING,
  ...EXPIRY,
  delta: true,
  initial: true,
});
