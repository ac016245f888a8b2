import { invalidArgument } from '../../arguments';
import {
  CasMismatchError,
  type ErrorContext,
  KeyExistsError,
  KeyNotFoundError,
  ServerError,
  UnsupportedError,
} from '../../errors';
import { lengthOf } from '../../foreign';
import { type Details, Kind, nameOf, type Operation } from '../../transactions/operation';
import { joinWords, MutationResult, RecordResult } from '../../transactions/results';
import type { Transcoder } from '../../transactions/transcoder';
import type { PlainDraft, PlainRecord } from './plain-store';
import type { Scope } from './scope';
import type { Version } from './version';

// As on memcached's wire, for which the options are encoded.
const LARGEST_RELATIVE_SECONDS = 30 * 24 * 60 * 60;
const DO_NOT_CREATE = 0xffffffff;
const COUNTER = /^\d{1,20}$/;
const LARGEST_COUNTER = 0xffffffffffffffffn;
const NOT_NUMERIC = 6;

const LARGEST_KEY = 250;
const LARGEST_VALUE = 1 << 30;
const FORBIDDEN = /[\0-\x20\x7f]/;

/** Throws InvalidArgumentError for a key or value that cannot be stored. */
export function checkArguments(key: string, value: string | Uint8Array | undefined): void {
  if (typeof key !== 'string') throw invalidArgument('key', 'key is a string');
  if (key.length === 0) throw invalidArgument('key', 'key is empty');
  if (!key.isWellFormed())
    throw invalidArgument('key', 'key has a lone surrogate, which UTF-8 cannot encode');
  if (FORBIDDEN.test(key)) throw invalidArgument('key', 'key has a space or a control character');
  if (key.length * 3 > LARGEST_KEY && Buffer.byteLength(key) > LARGEST_KEY)
    throw invalidArgument('key', `key is longer than ${LARGEST_KEY} bytes in UTF-8`);
  const length = typeof value === 'object' ? lengthOf(value) : (value?.length ?? 0);
  if (length > LARGEST_VALUE) throw invalidArgument('value', `value is larger than ${LARGEST_VALUE} bytes`);
}

export function isRead({ kind }: Operation): boolean {
  return kind === Kind.get || kind === Kind.getRecord || kind === Kind.exists;
}

/** The result of a read. Throws what the transcoder throws. */
export function readResult(
  { kind }: Operation,
  record: PlainRecord | undefined,
  transcoder: Transcoder,
): unknown {
  if (kind === Kind.exists) return record !== undefined;
  if (record === undefined) return undefined;
  const value = transcoder.decode(record.data, record.flags);
  if (kind !== Kind.getRecord) return value;
  return new RecordResult(value, record.flags, record.version.high, record.version.low);
}

/**
 * Executes the operation and returns a function for its result, to be called when the write is durable. Throws the
 * error of a failed condition before anything is written.
 */
export function executePlain(
  scope: Scope,
  operation: Operation,
  key: Buffer,
  transcoder: Transcoder,
): () => unknown {
  const { kind, details } = operation;
  const before = scope.readPlain(key);
  switch (kind) {
    case Kind.get:
    case Kind.getRecord:
    case Kind.exists:
      return () => readResult(operation, before, transcoder);
    case Kind.insert:
      if (before !== undefined)
        throw new KeyExistsError('insert: there is a record under this key', {
          context: contextOf(operation),
        });
      return write(scope, operation, key, undefined);
    case Kind.replace:
      return write(scope, operation, key, existing(operation, before));
    case Kind.upsert:
      if (details !== undefined && hasCas(details)) existing(operation, before);
      return write(scope, operation, key, before);
    case Kind.append:
    case Kind.prepend:
      return extend(scope, operation, key, existing(operation, before));
    case Kind.remove:
      if (before === undefined) return () => false;
      checkCas(operation, before);
      scope.writePlain(key, before, undefined);
      return () => true;
    case Kind.touch:
    case Kind.getAndTouch: {
      if (before === undefined) return () => (kind === Kind.touch ? false : undefined);
      scope.writePlain(key, before, {
        ...before,
        expiresAt: expiryOf(details, scope.now),
        version: before.version,
      });
      return () => (kind === Kind.touch ? true : transcoder.decode(before.data, before.flags));
    }
    case Kind.increment:
    case Kind.decrement:
      return count(scope, operation, key, before);
    default:
      throw new UnsupportedError(`${nameOf(kind)}: the embedded engine has no such thing`);
  }
}

function write(
  scope: Scope,
  operation: Operation,
  key: Buffer,
  before: PlainRecord | undefined,
): () => unknown {
  const draft: PlainDraft = {
    data: bytesOf(operation),
    flags: operation.flags,
    expiresAt: expiryOf(operation.details, scope.now),
  };
  const version = scope.writePlain(key, before, draft);
  return () => new WriteResult(version);
}

function extend(scope: Scope, operation: Operation, key: Buffer, before: PlainRecord): () => unknown {
  const more = bytesOf(operation);
  const pieces = operation.kind === Kind.append ? [before.data, more] : [more, before.data];
  const version = scope.writePlain(key, before, withData(before, Buffer.concat(pieces)));
  return () => new WriteResult(version);
}

function count(
  scope: Scope,
  operation: Operation,
  key: Buffer,
  before: PlainRecord | undefined,
): () => unknown {
  const { delta, initial, expiry } = operation.details as Details;
  if (before === undefined) {
    if (expiry === DO_NOT_CREATE) return () => undefined;
    const expiresAt = expiryOf(operation.details, scope.now);
    scope.writePlain(key, undefined, { data: Buffer.from(String(initial)), flags: 0, expiresAt });
    return () => initial;
  }
  const text = before.data.length > 20 ? '' : before.data.toString('latin1');
  const old = COUNTER.test(text) ? BigInt(text) : undefined;
  if (old === undefined || old > LARGEST_COUNTER) {
    const context = { ...contextOf(operation), status: NOT_NUMERIC };
    throw new ServerError(`${nameOf(operation.kind)}: the stored value is not a counter`, { context });
  }
  const added = BigInt.asUintN(64, old + delta);
  const taken = old > delta ? old - delta : 0n;
  const value = operation.kind === Kind.increment ? added : taken;
  scope.writePlain(key, before, withData(before, Buffer.from(String(value))));
  return () => value;
}

/** In a transaction the version is known only after the commit. */
class WriteResult extends MutationResult {
  readonly #version: Version;

  constructor(version: Version) {
    super(version.high, version.low);
    this.#version = version;
  }

  override get cas(): bigint {
    return joinWords(this.#version.high, this.#version.low);
  }
}

/** The record, which must exist and have the given cas. */
function existing(operation: Operation, before: PlainRecord | undefined): PlainRecord {
  if (before === undefined) {
    const message = `${nameOf(operation.kind)}: there is no record under this key`;
    throw new KeyNotFoundError(message, { context: contextOf(operation) });
  }
  checkCas(operation, before);
  return before;
}

function withData({ flags, expiresAt }: PlainRecord, data: Buffer): PlainDraft {
  return { data, flags, expiresAt };
}

function checkCas(operation: Operation, { version }: PlainRecord): void {
  const { details } = operation;
  if (details === undefined || !hasCas(details)) return;
  if (details.casHigh === version.high && details.casLow === version.low) return;
  const message = `${nameOf(operation.kind)}: the record has changed since its cas was read`;
  throw new CasMismatchError(message, { context: contextOf(operation) });
}

const hasCas = ({ casHigh, casLow }: Details): boolean => (casHigh | casLow) !== 0;

/** Converts an expiry in memcached's wire format (seconds from now, or Unix time) to ms since 1970. */
function expiryOf(details: Details | undefined, now: number): number | undefined {
  const expiry = details?.expiry ?? 0;
  if (expiry === 0) return undefined;
  return expiry <= LARGEST_RELATIVE_SECONDS ? now + expiry * 1000 : expiry * 1000;
}

function bytesOf({ value }: Operation): Buffer {
  if (typeof value === 'string') return Buffer.from(value);
  return value === undefined
    ? Buffer.alloc(0)
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

export function contextOf(operation: Operation): ErrorContext {
  return { op: nameOf(operation.kind), key: operation.key };
}
