import { optionNames } from '../arguments';
import type { DurabilityOptions, PreserveExpiryOptions } from './durability';
import type { ExpiryOptions } from './expiry';

/** Options of every operation. */
export interface OperationOptions {
  /**
   * Milliseconds until the operation rejects with TimeoutError, counted from the call (in a scheduling context: from
   * leave()). This includes queueing, connecting and retrying.
   */
  readonly timeout?: number | undefined;
  /**
   * Rejects the operation with the signal's reason. An operation that is not yet written is withdrawn; after that the
   * server may execute it anyway.
   */
  readonly signal?: AbortSignal | undefined;
}

export interface GetManyOptions extends OperationOptions {
  /** true: resolves to a PartialResult with an error for each key that fails. Default false. */
  readonly partial?: boolean | undefined;
}

export interface WriteOptions extends OperationOptions, ExpiryOptions {
  /**
   * The version that the record gets instead of one chosen by the server, such as the version of a database row.
   * Unsigned, 64 bits, not 0. UnsupportedError on memcached before 1.6.27 and without the meta protocol.
   */
  readonly setCas?: bigint | undefined;
}

export interface ConditionalOptions extends OperationOptions {
  /** Only write if the record still has this version; otherwise CasMismatchError. Unsigned, 64 bits, not 0. */
  readonly cas?: bigint | undefined;
}

export interface ConditionalWriteOptions extends WriteOptions, ConditionalOptions {}

export interface InvalidateOptions extends ConditionalOptions {
  /** How many seconds to keep the stale record, more than 0. Default: its remaining time to live. */
  readonly staleFor?: number | undefined;
}

export interface CounterOptions extends OperationOptions, ExpiryOptions {
  /** The amount to add or subtract. Unsigned, 64 bits. Default 1. */
  readonly delta?: bigint | number | undefined;
  /** The value a missing counter is created with. Unsigned, 64 bits. Default: a missing counter is not created. */
  readonly initial?: bigint | number | undefined;
}

const TIMING = { timeout: true, signal: true } as const;
const EXPIRY = { ttl: true, expiresAt: true } as const;

export const OPERATION_NAMES = optionNames<OperationOptions>(TIMING);
export const GET_MANY_NAMES = optionNames<GetManyOptions>({ ...TIMING, partial: true });
export const TOUCH_NAMES = optionNames<ExpiryOptions & OperationOptions>({ ...TIMING, ...EXPIRY });
export const WRITE_NAMES = optionNames<WriteOptions & DurabilityOptions>({
  ...TIMING,
  ...EXPIRY,
  setCas: true,
  durability: true,
});
export const CONDITIONAL_NAMES = optionNames<ConditionalOptions>({ ...TIMING, cas: true });
export const DURABLE_CONDITIONAL_NAMES = optionNames<ConditionalOptions & DurabilityOptions>({
  ...TIMING,
  cas: true,
  durability: true,
});
export const CONDITIONAL_WRITE_NAMES = optionNames<
  ConditionalWriteOptions & DurabilityOptions & PreserveExpiryOptions
>({
  ...TIMING,
  ...EXPIRY,
  cas: true,
  setCas: true,
  durability: true,
  preserveExpiry: true,
});
export const INVALIDATE_NAMES = optionNames<InvalidateOptions>({ ...TIMING, cas: true, staleFor: true });
export const COUNTER_NAMES = optionNames<CounterOptions & DurabilityOptions>({
  ...TIMING,
  ...EXPIRY,
  delta: true,
  initial: true,
  durability: true,
});
