import { ValidationError } from '../../errors';
import type { Field } from '../../schema/field';

// LMDB's limit for 4 KiB pages, as applied by the lmdb package.
export const LARGEST_KEY = 1978;

/** One field of a key: its name for messages, its type and its direction. */
export interface KeyPart {
  readonly name: string;
  readonly type: Field;
  readonly descending: boolean;
}

const scratch = Buffer.allocUnsafe(3 * LARGEST_KEY + 64);
const view = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);
/** Below this number of bytes, a loop is faster than a call of a native copy. */
const SHORT = 32;
const SIGN_64 = 1n << 63n;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the bytes that the format escapes
const TO_ESCAPE = /[\0\x01]/g;

/**
 * Encodes field values as bytes that sort like the values. Unsigned integers: big-endian. Signed integers: with the
 * sign bit flipped. Floats and datetimes (as a float64 of milliseconds): with the sign bit flipped or, if negative, all
 * bits. Enumerations: the position (u16). Strings: UTF-8 terminated by 0, with 0 and 1 escaped as 1 1 and 1 2. Optional
 * fields: 0 if absent, or 1 followed by the value. Descending fields: all bits flipped. No encoding is a prefix of
 * another, so fields can simply be concatenated.
 */
export class KeyCodec {
  readonly #parts: readonly KeyPart[];

  constructor(
    readonly className: string,
    parts: readonly KeyPart[],
  ) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#parts.length;
  }

  /**
   * Encodes the first values; with fewer values than fields the result is a prefix of keys. Throws ValidationError when
   * it is too long.
   */
  encode(values: readonly unknown[]): Buffer {
    let at = 0;
    for (let i = 0; i < values.length; i += 1) at = this.#writePart(i, values[i], at);
    return taken(at);
  }

  /** Encodes the key fields of a record. */
  encodeFrom(record: Readonly<Record<string, unknown>>): Buffer {
    let at = 0;
    for (let i = 0; i < this.#parts.length; i += 1)
      at = this.#writePart(i, record[(this.#parts[i] as KeyPart).name], at);
    return taken(at);
  }

  #writePart(position: number, value: unknown, start: number): number {
    const { type, descending, name } = this.#parts[position] as KeyPart;
    const end = writeValue(type, value, start);
    if (end < 0 || end > LARGEST_KEY) {
      throw new ValidationError(`${this.className}: ${name} makes a key of more than ${LARGEST_KEY} bytes`, {
        context: { path: name },
      });
    }
    if (descending) for (let i = start; i < end; i += 1) scratch[i] = ~(scratch[i] as number);
    return end;
  }
}

/** A copy of the first `length` bytes written. */
function taken(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  if (length > SHORT) scratch.copy(bytes, 0, 0, length);
  else for (let i = 0; i < length; i += 1) bytes[i] = scratch[i] as number;
  return bytes;
}

/** Returns the end of the value, or -1 when it is too long for any key. The value must have the type. */
function writeValue(type: Field, value: unknown, at: number): number {
  switch (type.kind) {
    case 'uint8':
      return scratch.writeUInt8(value as number, at);
    case 'int8':
      return scratch.writeUInt8((value as number) + 0x80, at);
    case 'uint16':
      return scratch.writeUInt16BE(value as number, at);
    case 'int16':
      return scratch.writeUInt16BE((value as number) + 0x8000, at);
    case 'uint32':
      return scratch.writeUInt32BE(value as number, at);
    case 'int32':
      return scratch.writeUInt32BE((value as number) + 0x8000_0000, at);
    case 'uint64':
    case 'autoid':
      return scratch.writeBigUInt64BE(value as bigint, at);
    case 'int64':
      return scratch.writeBigUInt64BE((value as bigint) + SIGN_64, at);
    case 'float32':
    case 'float64':
      return writeFloat(value as number, at);
    case 'datetime':
      return writeFloat((value as Date).getTime(), at);
    case 'boolean':
      return scratch.writeUInt8(value === true ? 1 : 0, at);
    case 'enumeration':
      return scratch.writeUInt16BE(type.values.indexOf(value as string), at);
    case 'string':
      return writeString(value as string, at);
    case 'optional':
      scratch[at] = value === undefined ? 0 : 1;
      return value === undefined ? at + 1 : writeValue(type.of, value, at + 1);
    default:
      throw new TypeError(`${type.kind} has no order`);
  }
}

function writeFloat(value: number, at: number): number {
  view.setFloat64(at, value);
  if ((scratch[at] as number) < 0x80) scratch[at] = (scratch[at] as number) | 0x80;
  else for (let i = at; i < at + 8; i += 1) scratch[i] = ~(scratch[i] as number);
  return at + 8;
}

function writeString(value: string, at: number): number {
  if (value.length > LARGEST_KEY) return -1;
  const text = value.search(TO_ESCAPE) < 0 ? value : value.replace(TO_ESCAPE, escaped);
  if (at + 3 * text.length >= scratch.length && at + Buffer.byteLength(text) > LARGEST_KEY) return -1;
  const end = at + scratch.write(text, at, 'utf8');
  scratch[end] = 0;
  return end + 1;
}

function escaped(character: string): string {
  return character === '\0' ? '\x01\x01' : '\x01\x02';
}
