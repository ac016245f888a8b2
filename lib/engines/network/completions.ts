import { markAsUntransferable } from 'node:worker_threads';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import {
  commonFlagsTranscoder,
  FLAGS_JSON,
  FLAGS_STRING,
  parseJson,
  type Transcoder,
} from '../../transactions/transcoder';

// The class behind Buffer.from(arrayBuffer, …): its constructor alone makes the same object in a third of the time.
const BufferView = (Buffer as unknown as Record<symbol, unknown>)[Symbol.species] as new (
  memory: ArrayBufferLike,
  offset: number,
  length: number,
) => Buffer;

/**
 * The completions of a client, read where native code wrote them. Records are named by their offset in `records`.
 * Values are views of a slab; one from which no view was given away is used again.
 */
export class Completions {
  readonly records = new Uint32Array(layout.RECORDS_PER_TAKE * layout.RECORD_WORDS);
  readonly #transcoder: Transcoder;
  /** Values are decoded by their common flags, and not by a transcoder of the user's. */
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

  /** The next records: how many there are, 0 at the end. Those of the last call are gone. */
  take(native: NativeClient): number {
    if (this.#givenAway) this.#used = this.#filled;
    this.#givenAway = false;
    // Where transfer() ignores the mark, whoever was given a view may have taken the whole slab away.
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

  /** The id of the connection that the record is of. */
  connection(at: number): number {
    return this.records[at + layout.RECORD_CONNECTION] as number;
  }

  /** Of a slow operation: ms from when the event base had it, and those in which it waited to be written. */
  times(at: number): { readonly duration: number; readonly queued: number } {
    const duration = (this.records[at + layout.RECORD_TOOK] as number) / 1000;
    return { duration, queued: (this.records[at + layout.RECORD_QUEUED] as number) / 1000 };
  }

  /** The record's value, decoded. Throws what the transcoder throws. */
  value(native: NativeClient, at: number): unknown {
    const flags = this.records[at + layout.RECORD_FLAGS] as number;
    const outcome = this.records[at + layout.RECORD_OUTCOME] as number;
    if (!this.isDefault || outcome & layout.OUTCOME_LARGE_BIT) {
      return this.#transcoder.decode(this.bytes(native, at), flags);
    }
    const start = this.records[at + layout.RECORD_VALUE_OFFSET] as number;
    const length = this.records[at + layout.RECORD_VALUE_LENGTH] as number;
    if (flags !== FLAGS_STRING && flags !== FLAGS_JSON) return this.#view(start, length);
    // Decoding latin1 takes a quarter of the time of UTF-8, and is the same for ASCII.
    const encoding = outcome & layout.OUTCOME_ASCII_BIT ? 'latin1' : 'utf8';
    const text = this.#slab.toString(encoding, start, start + length);
    return flags === FLAGS_JSON ? parseJson(text) : text;
  }

  bytes(native: NativeClient, at: number): Buffer {
    const offset = this.records[at + layout.RECORD_VALUE_OFFSET] as number;
    const length = this.records[at + layout.RECORD_VALUE_LENGTH] as number;
    if ((this.records[at + layout.RECORD_OUTCOME] as number) & layout.OUTCOME_LARGE_BIT) {
      return native.takeLarge(offset) ?? Buffer.alloc(0);
    }
    return this.#view(offset, length);
  }

  /** The record's value as text for people: a version, or the server's words for an error. */
  text(at: number): string {
    const start = this.records[at + layout.RECORD_VALUE_OFFSET] as number;
    const length = Math.min(this.records[at + layout.RECORD_VALUE_LENGTH] as number, 256);
    return this.#slab.toString('utf8', start, start + length);
  }

  /** Of OUTCOME_ITEM. */
  item(at: number): { readonly name: string; readonly text: string } {
    const start = this.records[at + layout.RECORD_VALUE_OFFSET] as number;
    const end = start + (this.records[at + layout.RECORD_VALUE_LENGTH] as number);
    const middle = start + (this.records[at + layout.RECORD_FLAGS] as number);
    const name = this.#slab.toString('utf8', start, middle);
    return { name, text: this.#slab.toString('utf8', middle, end).trimStart() };
  }

  /** The record's value as a counter; undefined when it is none. */
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
