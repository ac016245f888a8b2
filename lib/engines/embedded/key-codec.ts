import { ValidationError } from '../../errors';
import type { Field } from '../../schema/field';

// LMDB's bound on 4 KiB pages, as the lmdb package applies it.
export const LARGEST_KEY = 1978;

/** One field of a key: its name for messages, its type, its direction. */
export interface KeyPart {
  readonly name: string;
  readonly type: Field;
  readonly descending: boolean;
}

const scratch = Buffer.allocUnsafe(3 * LARGEST_KEY + 64);
const view = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);
/** Fewer bytes are copied faster than somebody else is asked to. */
const SHORT = 32;
const SIGN_64 = 1n << 63n;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the bytes that the format escapes
const TO_ESCAPE = /[\0\x01]/g;

/**
 * Values of fields as bytes whose order is theirs: unsigned integers big-endian, signed ones with the sign bit flipped,
 * floats and datetimes (as a float64 of milliseconds) with the sign bit flipped or, below zero, all bits; enumerations
 * by position (u16); strings as UTF-8, ended by 0, in which 0 and 1 become 1 1 and 1 2; what may be absent has 0 before
 * nothing or 1 before its value. A descending field has all its bits flipped. No encoding is the beginning of another,
 * so that fields are simply put one behind the other.
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

  /** The bytes of the first values; fewer than there are fields make a prefix of keys. ValidationError when too long. */
  encode(values: readonly unknown[]): Buffer {
    let at = 0;
    for (let i = 0; i < values.length; i += 1) at = this.#writePart(i, values[i], at);
    return taken(at);
  }

  /** The bytes of the fields of a record. */
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

/** A copy of the first bytes written. */
function taken(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  if (length > SHORT) scratch.copy(bytes, 0, 0, length);
  else for (let i = 0; i < length; i += 1) bytes[i] = scratch[i] as number;
  return bytes;
}

/** Where the value ends, or -1 when it is too long for any key. The value is of the type. */
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
