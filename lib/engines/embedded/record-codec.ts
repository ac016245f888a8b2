import { Encoder } from 'msgpackr';
import { RecordReader } from './record-reader';
import type { AnyRecord, Shape } from './shapes';
import type { Version } from './version';

const RESERVE_START_SPACE = 2048;
const FLAG_EXPIRES = 1;
const FLAG_ORDERED = 2;
const HEADER = 12;
const WORD = 8;

/** A record as stored in its tree. */
export interface Stored {
  readonly record: AnyRecord;
  readonly version: Version;
  /** ms since 1970; undefined: never. */
  readonly expiresAt: number | undefined;
  /** Its position in insertion order, in classes that limit the number of records. */
  readonly order: number | undefined;
}

/** The stored bytes, and the part of them that is the record itself. */
export interface Written {
  readonly bytes: Buffer;
  readonly payload: Buffer;
}

/**
 * Encodes records: a header (u32 flags, u64 version and, depending on the flags, f64 expiry and f64 insertion order;
 * all little-endian), then the record as MessagePack, in which an object is the number of its shape followed by its
 * values. The shapes are stored with the schema in one append-only list, so that old records and events stay readable.
 */
export class RecordCodec {
  readonly #encoder: Encoder;
  readonly #reload: () => readonly Shape[];
  readonly #isRecord: (shape: Shape, isLater: boolean) => boolean;
  readonly #known: number;
  #shapes: readonly Shape[];
  #reader: RecordReader;

  /**
   * `reload` returns the current shapes, because another process may have added some and written records with them.
   * `isRecord` tells whether a shape is that of records, not of structs in them; `isLater` is true for shapes added
   * since the codec was made.
   */
  constructor(
    shapes: readonly Shape[],
    reload: () => readonly Shape[] = () => shapes,
    isRecord: (shape: Shape, isLater: boolean) => boolean = () => true,
  ) {
    this.#reload = reload;
    this.#isRecord = isRecord;
    this.#shapes = shapes;
    this.#known = shapes.length;
    this.#reader = this.#readerOf(shapes);
    const mutable = (all: readonly Shape[]): string[][] => all.map(numbered);
    this.#encoder = new Encoder({
      structures: mutable(shapes),
      getStructures: () => mutable(reload()),
      maxSharedStructures: shapes.length,
      copyBuffers: true,
    } as ConstructorParameters<typeof Encoder>[0]);
  }

  encode(record: AnyRecord, system: Omit<Stored, 'record'>): Written {
    const { expiresAt, order } = system;
    const start = HEADER + (expiresAt === undefined ? 0 : WORD) + (order === undefined ? 0 : WORD);
    const bytes = this.#encoder.encode(record, RESERVE_START_SPACE | start);
    const flags = (expiresAt === undefined ? 0 : FLAG_EXPIRES) | (order === undefined ? 0 : FLAG_ORDERED);
    bytes.writeUInt32LE(flags, 0);
    bytes.writeUInt32LE(system.version.low, 4);
    bytes.writeUInt32LE(system.version.high, 8);
    let at = HEADER;
    if (expiresAt !== undefined) at = bytes.writeDoubleLE(expiresAt, at);
    if (order !== undefined) at = bytes.writeDoubleLE(order, at);
    return { bytes, payload: bytes.subarray(start) };
  }

  /** undefined when the bytes are not a record of the class. */
  decode(bytes: Buffer, length: number): Stored | undefined {
    const flags = bytes[0] as number;
    let at = HEADER;
    let expiresAt: number | undefined;
    let order: number | undefined;
    if (flags !== 0) {
      if (length < sizeOfHeader(flags)) return undefined;
      if (flags & FLAG_EXPIRES) {
        expiresAt = bytes.readDoubleLE(at);
        at += WORD;
      }
      if (flags & FLAG_ORDERED) {
        order = bytes.readDoubleLE(at);
        at += WORD;
      }
    }
    const version = versionIn(bytes); // before reload(), which may reuse the same memory
    const record = this.decodePayload(bytes, at, length);
    return record && { record, version, expiresAt, order };
  }

  /**
   * Decodes the record that starts at `start`, as in the payload of an event. `stableUntil` as in {@link
   * RecordReader.read}. undefined when it is not a record.
   */
  decodePayload(bytes: Buffer, start: number, end: number, stableUntil?: number): AnyRecord | undefined {
    const record = this.#reader.read(bytes, start, end, stableUntil);
    if (record !== undefined) return record;
    const kept = Buffer.from(bytes.subarray(start, end));
    const shapes = this.#reload();
    if (shapes.length <= this.#shapes.length) return undefined;
    this.#shapes = shapes;
    this.#reader = this.#readerOf(shapes);
    return this.#reader.read(kept, 0, kept.length);
  }

  #readerOf(shapes: readonly Shape[]): RecordReader {
    return new RecordReader(
      shapes,
      shapes.map((shape, i) => this.#isRecord(shape, i >= this.#known)),
    );
  }
}

const sizeOfHeader = (flags: number): number =>
  HEADER + (flags & FLAG_EXPIRES ? WORD : 0) + (flags & FLAG_ORDERED ? WORD : 0);

/** A shape in the form that msgpackr loads: from the 33rd on, the reader needs a second byte. */
function numbered(shape: Shape, position: number): string[] {
  return Object.assign([...shape], position < 32 ? {} : { highByte: (position - 32) >> 5 });
}

/** The expiry in stored bytes, without decoding the rest; Infinity when there is none. */
export function expiryOf(bytes: Buffer): number {
  return (bytes[0] as number) & FLAG_EXPIRES ? bytes.readDoubleLE(HEADER) : Number.POSITIVE_INFINITY;
}

/** The version in stored bytes. */
export function versionIn(bytes: Buffer): Version {
  return { high: bytes.readUInt32LE(8), low: bytes.readUInt32LE(4) };
}

/** The part of the stored bytes that is the record itself. */
export function payloadOf(bytes: Buffer): Buffer {
  return bytes.subarray(sizeOfHeader(bytes[0] as number));
}
