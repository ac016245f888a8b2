import { Encoder } from 'msgpackr';
import { RecordReader } from './record-reader';
import type { AnyRecord, Shape } from './shapes';
import type { Version } from './version';

const RESERVE_START_SPACE = 2048;
const FLAG_EXPIRES = 1;
const FLAG_ORDERED = 2;
const HEADER = 12;
const WORD = 8;

/** A record as it lies in its tree. */
export interface Stored {
  readonly record: AnyRecord;
  readonly version: Version;
  /** ms since 1970, or undefined when the record stays. */
  readonly expiresAt: number | undefined;
  /** Its place in the order of insertion, in classes that keep a number of records. */
  readonly order: number | undefined;
}

/** What is written: the stored bytes, and where in them the record itself begins. */
export interface Written {
  readonly bytes: Buffer;
  readonly payload: Buffer;
}

/**
 * Records as bytes: a header (u32 flags, u64 version, and as the flags say: f64 moment of expiry, f64 order; all
 * little-endian), then the record as MessagePack in which an object is the number of its shape and its values. The
 * shapes are kept with the schema: one list for all there ever were, so that old records and events stay readable.
 */
export class RecordCodec {
  readonly #encoder: Encoder;
  readonly #reload: () => readonly Shape[];
  readonly #isRecord: (shape: Shape, isLater: boolean) => boolean;
  readonly #known: number;
  #shapes: readonly Shape[];
  #reader: RecordReader;

  /**
   * `reload` tells the shapes that there are by now: another process may have added some, and written records of them.
   * `isRecord` tells which of them are of records and not of structs in them; `isLater`: it is one that was added since.
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

  /** undefined when the bytes are no record of the class. */
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
    const version = versionIn(bytes); // before the shapes are read, which may come to lie in the same memory
    const record = this.decodePayload(bytes, at, length);
    return record && { record, version, expiresAt, order };
  }

  /**
   * The record whose bytes begin at `start`: what is in the payload of an event. `stableUntil` as in {@link RecordReader.read}.
   * undefined when it is none.
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

/** A shape as msgpackr has those it loads itself: from the 33rd on, the reader has to know of a second byte. */
function numbered(shape: Shape, position: number): string[] {
  return Object.assign([...shape], position < 32 ? {} : { highByte: (position - 32) >> 5 });
}

/** The moment of expiry in stored bytes, without decoding the rest; Infinity when there is none. */
export function expiryOf(bytes: Buffer): number {
  return (bytes[0] as number) & FLAG_EXPIRES ? bytes.readDoubleLE(HEADER) : Number.POSITIVE_INFINITY;
}

/** The version in stored bytes. */
export function versionIn(bytes: Buffer): Version {
  return { high: bytes.readUInt32LE(8), low: bytes.readUInt32LE(4) };
}

/** The record itself in stored bytes. */
export function payloadOf(bytes: Buffer): Buffer {
  return bytes.subarray(sizeOfHeader(bytes[0] as number));
}
