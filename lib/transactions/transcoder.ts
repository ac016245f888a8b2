import { invalidArgument, messageOf } from '../arguments';
import { DecodeError } from '../errors';
import { excerpt } from '../text';

const LONGEST_QUOTE = 200;

/** A value as the server stores it. `flags` is the u32 that memcached keeps with it. */
export interface EncodedValue {
  readonly data: string | Uint8Array;
  readonly flags: number;
}

/**
 * Converts values to bytes and back. The call throws what `encode` throws. `decode` gets a Buffer that it may keep;
 * what it throws rejects the operation.
 */
export interface Transcoder {
  encode(value: unknown): EncodedValue;
  decode(data: Buffer, flags: number): unknown;
}

// Couchbase's common flags. Couchbase's SDKs can read these values, and the other way round.
export const FLAGS_JSON = 0x02000000;
export const FLAGS_BINARY = 0x03000000;
export const FLAGS_STRING = 0x04000000;

const FORMAT_MASK = 0xff000000;

/** The format is the first byte. Some SDKs have flags of their own in the others. */
export const isJson = (flags: number): boolean => (flags & FORMAT_MASK) === FLAGS_JSON;
export const isString = (flags: number): boolean => (flags & FORMAT_MASK) === FLAGS_STRING;

/**
 * Strings as UTF-8, Buffers as they are, everything else as JSON. Values of an unknown format are returned as Buffers.
 */
export const commonFlagsTranscoder: Transcoder = {
  encode(value) {
    if (typeof value === 'string') return { data: value, flags: FLAGS_STRING };
    if (value instanceof Uint8Array) return { data: value, flags: FLAGS_BINARY };
    return { data: toJson(value), flags: FLAGS_JSON };
  },
  decode(data, flags) {
    if (isString(flags)) return data.toString('utf8');
    if (isJson(flags)) return parseJson(data.toString('utf8'));
    return data;
  },
};

const BINARY_OR_COLLECTION: ReadonlySet<string> = new Set([
  '[object ArrayBuffer]',
  '[object SharedArrayBuffer]',
  '[object Map]',
  '[object Set]',
  '[object WeakMap]',
  '[object WeakSet]',
]);

export function toJson(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw invalidArgument('value', `${value} has no JSON form`);
  // JSON.stringify would silently turn these into {}.
  const tag = Object.prototype.toString.call(value);
  if (tag === '[object Promise]') throw invalidArgument('value', 'value is a promise: await it first');
  if (ArrayBuffer.isView(value) || BINARY_OR_COLLECTION.has(tag)) {
    throw invalidArgument(
      'value',
      'value is bytes other than a Uint8Array, or a collection without a JSON form',
    );
  }
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw invalidArgument('value', 'value cannot be written as JSON', cause);
  }
  if (json === undefined) throw invalidArgument('value', `value cannot be stored: ${typeof value}`);
  return json;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    // The message quotes stored data, and ends up in logs.
    const cause = new SyntaxError(excerpt(messageOf(thrown), LONGEST_QUOTE));
    throw new DecodeError('the stored value is marked as JSON but does not parse', { cause });
  }
}
