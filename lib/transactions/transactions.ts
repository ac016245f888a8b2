import { isUint8Array } from 'node:util/types';
import {
  checkFlag,
  checkObject,
  checkOptions,
  checkSignal,
  checkTimeout,
  invalidArgument,
  shown,
} from '../arguments';
import { UnsupportedError } from '../errors';
import { lengthOf } from '../foreign';
import {
  type DurabilityOptions,
  durably,
  type PreserveExpiryOptions,
  type WriteAdditions,
} from './durability';
import { type ExpiryOptions, encodeExpiry, encodeSpan } from './expiry';
import { Hits, HitsAndFailures, type PartialResult } from './gathering';
import { GetMany } from './get-many';
import { type Details, details, Kind, nameOf, Operation } from './operation';
import {
  CONDITIONAL_WRITE_NAMES,
  COUNTER_NAMES,
  type ConditionalOptions,
  type ConditionalWriteOptions,
  type CounterOptions,
  DURABLE_CONDITIONAL_NAMES,
  GET_MANY_NAMES,
  type GetManyOptions,
  INVALIDATE_NAMES,
  type InvalidateOptions,
  OPERATION_NAMES,
  type OperationOptions,
  TOUCH_NAMES,
  WRITE_NAMES,
  type WriteOptions,
} from './options';
import type { DetailedRecord, MutationResult, RecordResult } from './results';
import type { Target } from './target';
import type { EncodedValue } from './transcoder';

/** Converts the options of a call to the details of an operation. Throws what the call should throw. */
type Prepare<O> = (options: O, target: Target, value: string | Uint8Array | undefined) => Details | undefined;

// With this expiry the server fails on a missing counter instead of creating it (memcached's protocol_binary.h).
const DO_NOT_CREATE = 0xffffffff;
const LARGEST_COUNTER = 0xffffffffffffffffn;

/**
 * Operations on single records, the same on a database, on one of its event bases and in a scheduling context.
 *
 * A bad argument throws InvalidArgumentError from the call, a closed database ClosedError. Later errors reject the
 * promise: TimeoutError, ConnectionError, BackpressureError, ServerError, and those that each method names.
 *
 * Keys are strings of 1 to 250 bytes in UTF-8. Keys with spaces or control characters need memcached 1.6.18 or newer
 * and are limited to 186 bytes.
 *
 * A Buffer larger than 16 KiB is sent without copying: do not change it until the promise has settled. The call copies
 * smaller ones, and all that go through a scheduling context.
 */
export class Transactions<Also extends WriteAdditions = WriteAdditions> {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /** The value; undefined when there is none. */
  get<T = unknown>(key: string, options?: OperationOptions): Promise<T | undefined> {
    return this.#read(Kind.get, key, options);
  }

  /** The value with its version and flags; undefined when there is none. */
  getRecord<T = unknown>(key: string, options?: OperationOptions): Promise<RecordResult<T> | undefined> {
    return this.#read(Kind.getRecord, key, options);
  }

  /**
   * The record with its time to live, size and usage; undefined when there is none. Does not count as a read.
   * UnsupportedError without memcached's meta protocol.
   */
  getDetails<T = unknown>(key: string, options?: OperationOptions): Promise<DetailedRecord<T> | undefined> {
    return this.#send(Kind.getDetails, key, undefined, timingWithMeta, options);
  }

  /**
   * The existing values, by key. Counts as one operation per key; the requests are sent together. If one fails, the
   * whole call rejects with its error. With `partial` it resolves to the values found and the errors of the other keys,
   * and rejects only when nothing was started or when its signal aborts.
   */
  getMany<T = unknown>(
    keys: Iterable<string>,
    options: GetManyOptions & { readonly partial: true },
  ): Promise<PartialResult<T>>;
  getMany<T = unknown>(
    keys: Iterable<string>,
    options?: GetManyOptions & { readonly partial?: false | undefined },
  ): Promise<Map<string, T>>;
  getMany<T = unknown>(
    keys: Iterable<string>,
    options?: GetManyOptions,
  ): Promise<Map<string, T> | PartialResult<T>>;
  getMany<T>(keys: Iterable<string>, options?: GetManyOptions): Promise<Map<string, T> | PartialResult<T>> {
    let many: GetMany<Map<string, T>> | GetMany<PartialResult<T>>;
    try {
      many = manyOf<T>(keys, options);
    } catch (error) {
      this.#refuse('getMany', keys, error);
    }
    return this.#target.dispatchMany(many as GetMany<Map<string, T> | PartialResult<T>>);
  }

  /** Resolves to whether the key exists. On memcached this reads the record and discards the value. */
  exists(key: string, options?: OperationOptions): Promise<boolean> {
    return this.#read(Kind.exists, key, options);
  }

  /** Writes a new record. KeyExistsError when the key exists. */
  insert(key: string, value: unknown, options?: WriteOptions & Also['write']): Promise<MutationResult> {
    return this.#write(Kind.insert, key, value, options, WRITE_NAMES);
  }

  /**
   * Writes the record, new or not. With `cas`: CasMismatchError when it has changed, KeyNotFoundError when it is gone.
   */
  upsert(
    key: string,
    value: unknown,
    options?: ConditionalWriteOptions & Also['overwrite'],
  ): Promise<MutationResult> {
    return this.#write(Kind.upsert, key, value, options, CONDITIONAL_WRITE_NAMES);
  }

  /** Writes an existing record. KeyNotFoundError when there is none. */
  replace(
    key: string,
    value: unknown,
    options?: ConditionalWriteOptions & Also['overwrite'],
  ): Promise<MutationResult> {
    return this.#write(Kind.replace, key, value, options, CONDITIONAL_WRITE_NAMES);
  }

  /** Resolves to whether there was a record to remove. */
  remove(key: string, options?: ConditionalOptions & Also['write']): Promise<boolean> {
    return this.#send(Kind.remove, key, undefined, condition, options);
  }

  /**
   * Marks the record as stale under a new version instead of removing it. Resolves to whether there was one. The next
   * getOrLoad() loads a new value; meanwhile others get the old one.
   *
   * Other reads also return the old value, and the server takes the first of them for a loader and grants it the lease.
   * So read invalidated keys with getOrLoad(). UnsupportedError without memcached's meta protocol.
   */
  invalidate(key: string, options?: InvalidateOptions): Promise<boolean> {
    return this.#send(Kind.invalidate, key, undefined, invalidation, options);
  }

  /** Sets a new time to live. Resolves to whether there was a record. */
  touch(key: string, options: ExpiryOptions & OperationOptions): Promise<boolean> {
    return this.#send(Kind.touch, key, undefined, newExpiry, options);
  }

  /** The value, after setting a new time to live; undefined when there is none. */
  getAndTouch<T = unknown>(key: string, options: ExpiryOptions & OperationOptions): Promise<T | undefined> {
    return this.#send(Kind.getAndTouch, key, undefined, newExpiry, options);
  }

  /** The counter after adding; wraps at 2^64. undefined when there is none and `initial` is not given. */
  increment(key: string, options?: CounterOptions & Also['write']): Promise<bigint | undefined> {
    return this.#send(Kind.increment, key, undefined, counting, options);
  }

  /** The counter after subtracting; stops at 0. undefined when there is none and `initial` is not given. */
  decrement(key: string, options?: CounterOptions & Also['write']): Promise<bigint | undefined> {
    return this.#send(Kind.decrement, key, undefined, counting, options);
  }

  /** Appends bytes to the record's value and keeps its flags. KeyNotFoundError when there is none. */
  append(
    key: string,
    value: string | Uint8Array,
    options?: ConditionalOptions & Also['write'],
  ): Promise<MutationResult> {
    return this.#send(Kind.append, key, value, extension, options);
  }

  /** Prepends bytes to the record's value and keeps its flags. KeyNotFoundError when there is none. */
  prepend(
    key: string,
    value: string | Uint8Array,
    options?: ConditionalOptions & Also['write'],
  ): Promise<MutationResult> {
    return this.#send(Kind.prepend, key, value, extension, options);
  }

  #read<T>(kind: Kind, key: string, options: OperationOptions | undefined): Promise<T> {
    if (options !== undefined) return this.#send(kind, key, undefined, timingOf, options);
    return this.#target.dispatch(new Operation(kind, key, undefined, undefined, undefined));
  }

  #send<T, O>(
    kind: Kind,
    key: string,
    value: string | Uint8Array | undefined,
    prepare: Prepare<O>,
    options: O,
  ): Promise<T> {
    let detail: Details | undefined;
    try {
      detail = prepare(options, this.#target, value);
    } catch (error) {
      this.#refuse(nameOf(kind), key, error);
    }
    return this.#target.dispatch(new Operation(kind, key, value, detail, undefined));
  }

  #write(
    kind: Kind,
    key: string,
    value: unknown,
    options: (ConditionalWriteOptions & DurabilityOptions & PreserveExpiryOptions) | undefined,
    known: ReadonlySet<string>,
  ): Promise<MutationResult> {
    let encoded: EncodedValue;
    let detail: Details | undefined;
    try {
      encoded = checkEncoded(this.#target.transcoder.encode(value));
      if (options !== undefined) detail = writing(kind, options, known, this.#target);
    } catch (error) {
      this.#refuse(nameOf(kind), key, error);
    }
    const operation = new Operation(kind, key, encoded.data, detail, undefined);
    operation.flags = encoded.flags;
    return this.#target.dispatch(operation);
  }

  #refuse(op: string, key: unknown, error: unknown): never {
    this.#target.refused?.(op, key, error);
    throw error;
  }
}

/** Throws UnsupportedError when the meta protocol is unavailable. */
export function assertMeta({ withoutMeta }: Target, kind: Kind, option = ''): void {
  if (withoutMeta !== undefined) throw new UnsupportedError(`${nameOf(kind)}: ${option}${withoutMeta}`);
}

/** A transcoder is user code: a promise, for example, has neither data nor flags. */
export function checkEncoded(encoded: EncodedValue): EncodedValue {
  const data = encoded?.data;
  const flags = encoded?.flags;
  if (typeof data !== 'string' && !isUint8Array(data)) {
    checkObject(encoded, 'value');
    throw invalidArgument(
      'value',
      'the transcoder must encode the value to a string or a genuine Uint8Array',
    );
  }
  if (typeof flags !== 'number' || flags >>> 0 !== flags)
    throw invalidArgument('value', `flags are an unsigned 32-bit integer, not ${shown(flags)}`);
  checkBytes(data);
  return encoded;
}

/** Refuses what would be stored as something else: text that UTF-8 cannot encode, and detached memory. */
function checkBytes(value: string | Uint8Array): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed())
      throw invalidArgument('value', 'value has a lone surrogate, which UTF-8 cannot encode');
  } else if (lengthOf(value) === 0 && !isInPlace(value)) {
    throw invalidArgument('value', 'the memory of the value was transferred or resized away');
  }
}

/** A view of length 0 may be empty or detached; a detached one cannot be copied. */
function isInPlace(view: Uint8Array): boolean {
  try {
    return new Uint8Array(view).length === 0;
  } catch {
    return false;
  }
}

function manyOf<T>(
  keys: Iterable<string>,
  options: GetManyOptions | undefined,
): GetMany<Map<string, T>> | GetMany<PartialResult<T>> {
  if (typeof keys !== 'object' || keys === null || !(Symbol.iterator in keys)) {
    throw invalidArgument('keys', 'keys is an iterable of strings');
  }
  const detail = options === undefined ? undefined : timing(options, details(), GET_MANY_NAMES);
  const isPartial = options?.partial !== undefined && checkFlag('partial', options.partial);
  const distinct = [...new Set(keys)];
  return isPartial
    ? new GetMany(distinct, detail, new HitsAndFailures<T>(distinct))
    : new GetMany(distinct, detail, new Hits<T>());
}

const condition: Prepare<(ConditionalOptions & DurabilityOptions) | undefined> = (options, target) => {
  const detail = versionOf(options, DURABLE_CONDITIONAL_NAMES, target);
  if (detail !== undefined && options !== undefined) durably(options, detail, target);
  return detail;
};

const invalidation: Prepare<InvalidateOptions | undefined> = (options, target) => {
  assertMeta(target, Kind.invalidate);
  const detail = versionOf(options, INVALIDATE_NAMES, target);
  if (detail !== undefined && options?.staleFor !== undefined)
    detail.expiry = encodeSpan('staleFor', options.staleFor, () => target.now());
  return detail;
};

const extension: Prepare<(ConditionalOptions & DurabilityOptions) | undefined> = (options, target, value) => {
  if (typeof value !== 'string' && !isUint8Array(value)) {
    throw invalidArgument('value', 'value is a string or a Buffer');
  }
  checkBytes(value);
  return condition(options, target, value);
};

const counting: Prepare<(CounterOptions & DurabilityOptions) | undefined> = (options = {}, target) => {
  const detail = timing(options, details(), COUNTER_NAMES);
  const { delta = 1n, initial } = options;
  detail.delta = unsigned('delta', delta);
  detail.initial = unsigned('initial', initial === undefined ? 0n : initial);
  const expiry = encodeExpiry(options, () => target.now());
  detail.expiry = initial === undefined ? DO_NOT_CREATE : expiry;
  durably(options, detail, target);
  return detail;
};

const newExpiry: Prepare<ExpiryOptions & OperationOptions> = (options, target) => {
  if (options?.ttl === undefined && options?.expiresAt === undefined) {
    throw invalidArgument('ttl', 'touch needs ttl or expiresAt');
  }
  const detail = timing(options, details(), TOUCH_NAMES);
  detail.expiry = encodeExpiry(options, () => target.now());
  return detail;
};

const timingOf: Prepare<OperationOptions | undefined> = (options) =>
  options === undefined ? undefined : timing(options, details(), OPERATION_NAMES);

const timingWithMeta: Prepare<OperationOptions | undefined> = (options, target, value) => {
  assertMeta(target, Kind.getDetails);
  return timingOf(options, target, value);
};

function versionOf(
  options: ConditionalOptions | undefined,
  known: ReadonlySet<string>,
  target: Target,
): Details | undefined {
  return options === undefined ? undefined : version(options, timing(options, details(), known), target);
}

function writing(
  kind: Kind,
  options: ConditionalWriteOptions & DurabilityOptions & PreserveExpiryOptions,
  known: ReadonlySet<string>,
  target: Target,
): Details {
  const detail = version(options, timing(options, details(), known), target);
  detail.expiry = encodeExpiry(options, () => target.now());
  if (options.setCas !== undefined) detail.newCas = newVersion(kind, options.setCas, target);
  durably(options, detail, target);
  return detail;
}

export function timing(options: OperationOptions, detail: Details, known: ReadonlySet<string>): Details {
  checkOptions(options, known);
  const { timeout, signal } = options;
  if (timeout !== undefined) detail.timeout = checkTimeout(timeout);
  if (signal !== undefined) detail.signal = checkSignal(signal);
  return detail;
}

export function version(options: ConditionalOptions, detail: Details, target: Target): Details {
  const { cas } = options;
  if (cas === undefined) return detail;
  if (cas === 0n && target.mayBeUnversioned) {
    throw new UnsupportedError('cas 0n: the server keeps no versions of its records (memcached -C)', {
      context: { argument: 'cas' },
    });
  }
  if (!isVersion(cas))
    throw invalidArgument('cas', `cas is a bigint from a record or result, not ${shown(cas)}`);
  detail.casHigh = Number(cas >> 32n);
  detail.casLow = Number(cas & 0xffffffffn);
  return detail;
}

function newVersion(kind: Kind, setCas: bigint, target: Target): bigint {
  assertMeta(target, kind, 'setCas: ');
  if (isVersion(setCas)) return setCas;
  throw invalidArgument('setCas', `setCas is a bigint of 64 bits, from 1n, not ${shown(setCas)}`);
}

const isVersion = (cas: unknown): cas is bigint =>
  typeof cas === 'bigint' && cas > 0n && cas <= LARGEST_COUNTER;

function unsigned(argument: string, value: bigint | number): bigint {
  const given = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof given !== 'bigint' || given < 0n || given > LARGEST_COUNTER) {
    throw invalidArgument(argument, `${argument} is an unsigned 64-bit integer, not ${shown(value)}`);
  }
  return given;
}
