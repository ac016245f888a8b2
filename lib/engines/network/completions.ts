import { markAsUntransferable } from 'node:worker_threads';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { MutationResult, RecordResult } from '../../transactions/results';
import {
  commonFlagsTranscoder,
  isJson,
  isString,
  parseJson,
  type Transcoder,
} from '../../transactions/transcoder';

// The class behind Buffer.from(arrayBuffer, …); calling its constructor directly takes a third of the time.
const BufferView = (Buffer as unknown as Record<symbol, unknown>)[Symbol.species] as new (
  memory: ArrayBufferLike,
  offset: number,
  length: number,
) => Buffer;

/**
 * The completions of a client in the memory that native code writes. A record is identified by its offset in `records`.
 * Values are views into a slab, which is reused unless a view was given away.
 */
export class Completions {
  readonly records = new Uint32Array(layout.RECORDS_PER_TAKE * layout.RECORD_WORDS);
  readonly #transcoder: Transcoder;
  /** true: values are decoded by their common flags, without a transcoder of the user. */
  readonly isDefault: boolean;
  #slab = Buffer.allocUnsafe(0);
  #memory: ArrayBufferLike = this.#slab.buffer;
  #used = layout.SLAB_BYTES;
  #filled = 0;
  #givenAway = false;

  constructor(transcoder: Transcoder) {
    this.#transcoder = transcoder;
    this.isDefault = transcoder === commonFlagsTranscoder;
  }

  /** Takes the next records, which replace the previous ones; returns their number, 0 at the end. */
  take(native: NativeClient): number {
    if (this.#givenAway) this.#used = this.#filled;
    this.#givenAway = false;
    // In runtimes where transfer() ignores the mark, a receiver of a view may have detached the whole slab.
    const isGone = this.#memory.byteLength !== layout.SLAB_BYTES;
    if (isGone || this.#used > layout.SLAB_BYTES - layout.LARGE_VALUE) {
      this.#slab = Buffer.allocUnsafeSlow(layout.SLAB_BYTES);
      this.#memory = this.#slab.buffer;
      markAsUntransferable(this.#memory);
      this.#used = 0;
      native.setSlab(this.#slab);
    }
    this.#filled = this.#used;
    return native.take(this.#used);
  }

  /** The id of the record's connection. */
  connection(at: number): number {
    return this.records[at + layout.RECORD_CONNECTION] as number;
  }

  /**
   * For a slow operation: its duration in ms since the event base received it, and the part of it spent waiting to be
   * written.
   */
  times(at: number): { readonly duration: number; readonly queued: number } {
    const duration = (this.records[at + layout.RECORD_TOOK] as number) / 1000;
    return { duration, queued: (this.records[at + layout.RECORD_QUEUED] as number) / 1000 };
  }

  /** The decoded value of the record. Throws what the transcoder throws. */
  value(native: NativeClient, at: number): unknown {
    const flags = this.records[at + layout.RECORD_FLAGS] as number;
    const outcome = this.records[at + layout.RECORD_OUTCOME] as number;
    if (!this.isDefault || outcome & layout.OUTCOME_LARGE_BIT) {
      return this.#transcoder.decode(this.bytes(native, at), flags);
    }
    const start = this.records[at + layout.RECORD_VALUE_OFFSET] as number;
    const length = this.records[at + layout.RECORD_VALUE_LENGTH] as number;
    const isText = isString(flags);
    if (!isText && !isJson(flags)) return this.#view(start, length);
    // For ASCII, latin1 gives the same result as UTF-8 in a quarter of the time.
    const encoding = outcome & layout.OUTCOME_ASCII_BIT ? 'latin1' : 'utf8';
    const text = this.#slab.toString(encoding, start, start + length);
    return isText ? text : parseJson(text);
  }

  bytes(native: NativeClient, at: number): Buffer {
    const offset = this.records[at + layout.RECORD_VALUE_OFFSET] as number;
    const length = this.records[at + layout.RECORD_VALUE_LENGTH] as number;
    if ((this.records[at + layout.RECORD_OUTCOME] as number) & layout.OUTCOME_LARGE_BIT) {
      return native.takeLarge(offset) ?? Buffer.alloc(0);
    }
    return this.#view(offset, length);
  }

  /** The result of an operation that resolves to the value and version of a record. */
  recordResult<T>(value: T, at: number): RecordResult<T> {
    const { records } = this;
    return new RecordResult(
      value,
      records[at + layout.RECORD_FLAGS] as number,
      records[at + layout.RECORD_CAS_HIGH] as number,
      records[at + layout.RECORD_CAS_LOW] as number,
    );
  }

  /** The result of a write. */
  mutationResult(at: number): MutationResult {
    const { records } = this;
    return new MutationResult(
      records[at + layout.RECORD_CAS_HIGH] as number,
      records[at + layout.RECORD_CAS_LOW] as number,
    );
  }

  /** The record's value as text for messages: a version, or the server's error text. */
  text(at: number): string {
    const start = this.records[at + layout.RECORD_VALUE_OFFSET] as number;
    const length = Math.min(this.records[at + layout.RECORD_VALUE_LENGTH] as number, 256);
    return this.#slab.toString('utf8', start, start + length);
  }

  /** The name and text of an OUTCOME_ITEM record. */
  item(at: number): { readonly name: string; readonly text: string } {
    const start = this.records[at + layout.RECORD_VALUE_OFFSET] as number;
    const end = start + (this.records[at + layout.RECORD_VALUE_LENGTH] as number);
    const middle = start + (this.records[at + layout.RECORD_FLAGS] as number);
    const name = this.#slab.toString('utf8', start, middle);
    return { name, text: this.#slab.toString('utf8', middle, end).trimStart() };
  }

  /** 32 bits of the record's value, which is not a large one. */
  word(at: number, offset: number): number {
    return this.#slab.readUInt32BE((this.records[at + layout.RECORD_VALUE_OFFSET] as number) + offset);
  }

  /** The record's value as a counter; undefined when it is not one. */
  counter(at: number): bigint | undefined {
    if (this.records[at + layout.RECORD_FLAGS] === layout.DECIMAL_COUNTER) return parseCounter(this.text(at));
    if (this.records[at + layout.RECORD_VALUE_LENGTH] !== 8) return undefined;
    return this.#slab.readBigUInt64BE(this.records[at + layout.RECORD_VALUE_OFFSET] as number);
  }

  #view(start: number, length: number): Buffer {
    this.#givenAway = true;
    this.#filled = start + length;
    return new BufferView(this.#memory, start, length);
  }
}

function parseCounter(text: string): bigint | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const counter = BigInt(text);
  return BigInt.asUintN(64, counter) === counter ? counter : undefined;
}
