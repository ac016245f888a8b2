import { pack } from 'msgpackr';
import { damaged } from '../../damage';
import { ChangeFlag } from '../../events/change-kind';
import type { Change, TransactionMarks } from './change';
import { FROM_FIRST, peek, type Snapshot, type Tree } from './lmdb';
import type { State } from './state';

// docs/journal.md describes the format.
export const BLOCK_KEY = 12;
export const FRAGMENT_HEADER = 36;
export const EVENT_HEADER = 24;
/** Set in the fragment that ends its transaction. */
export const FRAGMENT_LAST = 1;
/** A block is put when it has grown beyond this; only a single event can make it much larger. */
const BLOCK_BYTES = 32 * 1024;
/** How many blocks one commit drops, unless it makes many itself: few enough not to be felt. */
const TRIM_BLOCKS = 8;

export interface Retention {
  /** Seconds. */
  readonly maxAge: number;
  readonly maxBytes: number;
}

/** Whether the last look at what is kept for too long came to its end. */
export interface Trimming {
  isBehind: boolean;
}

export function blockKey(seq: number, part: number): Buffer {
  const key = Buffer.allocUnsafe(BLOCK_KEY);
  key.writeUInt32BE(Math.floor(seq / 2 ** 32), 0);
  key.writeUInt32BE(seq % 2 ** 32, 4);
  key.writeUInt32BE(part, 8);
  return key;
}

export function seqOfBlock(key: Uint8Array): number {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  return bytes.readUInt32BE(0) * 2 ** 32 + bytes.readUInt32BE(4);
}

const partOfBlock = (key: Uint8Array): number =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).readUInt32BE(8);

/** Where to put the changes of one write transaction of LMDB, which holds any number of ours. */
export class JournalWriter {
  readonly #tree: Tree;
  readonly #state: State;
  readonly #firstSeq: number;
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #length = 0;
  #blockSeq = 0;
  #blockPart = 0;
  #blocks = 0;
  /** Where the fragment under way begins, or -1. */
  #fragment = -1;
  #part = 0;
  #index = 0;
  #meta: Buffer | undefined;

  constructor(tree: Tree, state: State) {
    this.#tree = tree;
    this.#state = state;
    this.#firstSeq = state.seq;
  }

  /** The next change of the transaction under way, or the first of a new one, which gets the next number. */
  add(change: Change, marks?: TransactionMarks): void {
    if (this.#fragment < 0) {
      this.#state.seq += 1;
      this.#meta = marks === undefined ? undefined : pack(marks);
      this.#part = 0;
      this.#index = 0;
      this.#openFragment();
    } else if (this.#length > BLOCK_BYTES) {
      this.#closeFragment(false);
      this.#put();
      this.#part += 1;
      this.#openFragment();
    }
    this.#event(change);
    this.#index += 1;
  }

  /** Whether anything was told. */
  get hasGrown(): boolean {
    return this.#state.seq > this.#firstSeq;
  }

  /** Whether a transaction is under way. */
  get isOpen(): boolean {
    return this.#fragment >= 0;
  }

  /** Ends the transaction under way, if there is one. */
  end(): void {
    if (this.#fragment < 0) return;
    const length = this.#length - this.#fragment;
    this.#closeFragment(true);
    // The next may be like it: one that is not divided costs less to read.
    if (this.#length + length > BLOCK_BYTES) this.#put();
  }

  /** Puts what is still in memory, and drops what nobody can expect to be kept. */
  flush(retention: Retention, trimming: Trimming): void {
    if (this.#length === 0 && this.#blocks === 0) return;
    this.#put();
    // The age of the oldest block costs a look at it: once in a while is soon enough.
    const isWhile = Math.floor(this.#state.seq / 256) > Math.floor(this.#firstSeq / 256);
    if (isWhile || trimming.isBehind || this.#state.journalBytes > retention.maxBytes)
      trimming.isBehind = this.#trim(retention);
  }

  /**
   * Whole transactions from the old end, while there are too many bytes or they are too old: one is given up at once,
   * and its blocks go now or with the next commits. Whether there may be more of that.
   */
  #trim({ maxAge, maxBytes }: Retention): boolean {
    const state = this.#state;
    const horizon = state.time - maxAge * 1000;
    const limit = Math.max(TRIM_BLOCKS, 2 * this.#blocks);
    const keys = [...this.#tree.getKeys({ ...FROM_FIRST, limit })];
    for (const key of keys) {
      const block = peek(this.#tree, key);
      if (block === undefined) return false;
      if (seqOfBlock(key) >= state.oldest) {
        if (state.journalBytes <= maxBytes && timeOfBlock(block) >= horizon) return false;
        const next = this.#beginningAfter(key);
        if (next === undefined) return false;
        state.oldest = next;
      }
      state.journalBytes -= block.length;
      this.#tree.removeSync(key);
    }
    return keys.length === limit;
  }

  /** The next transaction that begins with a block of its own. */
  #beginningAfter(key: Uint8Array): number | undefined {
    for (let seq = seqOfBlock(key); ; ) {
      const [next] = this.#tree.getKeys({ start: blockKey(seq + 1, 0), end: undefined, limit: 1 });
      if (next === undefined) return undefined;
      seq = seqOfBlock(next);
      if (partOfBlock(next) === 0) return seq;
    }
  }

  #openFragment(): void {
    const { seq, time } = this.#state;
    if (this.#length === 0) {
      this.#blockSeq = seq;
      this.#blockPart = this.#part;
    }
    const metaLength = this.#meta?.length ?? 0;
    const at = this.#reserve(FRAGMENT_HEADER + metaLength);
    const block = this.#block;
    block.writeUInt32LE(0, at + 4);
    block.writeDoubleLE(seq, at + 8);
    block.writeDoubleLE(time, at + 16);
    block.writeUInt32LE(this.#index, at + 24);
    block.writeUInt32LE(metaLength, at + 32);
    this.#meta?.copy(block, at + FRAGMENT_HEADER);
    this.#fragment = at;
  }

  #closeFragment(isLast: boolean): void {
    const at = this.#fragment;
    this.#block.writeUInt32LE(this.#length - at, at);
    this.#block[at + 4] = isLast ? FRAGMENT_LAST : 0;
    this.#block.writeUInt32LE(this.#index - this.#block.readUInt32LE(at + 24), at + 28);
    this.#fragment = -1;
  }

  #event({ kind, flags, classId, before, after, changed, extra }: Change): void {
    const beforeLength = before?.length ?? 0;
    const afterLength = after?.length ?? 0;
    const changedLength = changed?.length ?? 0;
    let at = this.#reserve(EVENT_HEADER + changedLength + beforeLength + afterLength);
    const block = this.#block;
    block[at] = kind;
    block[at + 1] =
      flags | (before === undefined ? 0 : ChangeFlag.before) | (after === undefined ? 0 : ChangeFlag.after);
    block.writeUInt16LE(classId, at + 2);
    block.writeUInt32LE(changedLength, at + 4);
    block.writeUInt32LE(beforeLength, at + 8);
    block.writeUInt32LE(afterLength, at + 12);
    block.writeDoubleLE(extra, at + 16);
    at += EVENT_HEADER;
    if (changed !== undefined) changed.copy(block, at);
    if (before !== undefined) before.copy(block, at + changedLength);
    if (after !== undefined) after.copy(block, at + changedLength + beforeLength);
  }

  #reserve(length: number): number {
    const at = this.#length;
    const needed = at + length;
    if (needed > this.#block.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#block.length));
      this.#block.copy(larger, 0, 0, at);
      this.#block = larger;
    }
    this.#length = needed;
    return at;
  }

  #put(): void {
    if (this.#length === 0) return;
    this.#tree.putSync(blockKey(this.#blockSeq, this.#blockPart), this.#block.subarray(0, this.#length));
    this.#state.journalBytes += this.#length;
    this.#blocks += 1;
    this.#length = 0;
  }
}

const timeOfBlock = (block: Uint8Array): number =>
  Buffer.from(block.buffer, block.byteOffset, block.byteLength).readDoubleLE(16);

/** Of which snapshot; undefined: what is committed. */
type By = { readonly transaction: Snapshot } | undefined;

/** The block in which the transaction of the number begins, or the first after it; undefined beyond the newest. */
export function blockFrom(tree: Tree, seq: number, by: By): { key: Uint8Array; block: Buffer } | undefined {
  const range = { ...by, start: blockKey(seq, 0), end: undefined, reverse: true, limit: 1 };
  for (const { key, value } of tree.getRange(range)) {
    if (lastSeqOf(value) >= seq) return { key, block: asBuffer(value) };
  }
  return blockAfter(tree, blockKey(seq, 0), by);
}

/** The next block after the one of the key. */
export function blockAfter(
  tree: Tree,
  after: Uint8Array,
  by: By,
): { key: Uint8Array; block: Buffer } | undefined {
  for (const { key, value } of tree.getRange({
    ...by,
    start: after,
    end: undefined,
    exclusiveStart: true,
    limit: 1,
  }))
    return { key, block: asBuffer(value) };
  return undefined;
}

function lastSeqOf(value: Uint8Array): number {
  const block = asBuffer(value);
  let last = 0;
  for (let at = 0; at < block.length; ) {
    const length = block.length - at < FRAGMENT_HEADER ? 0 : block.readUInt32LE(at);
    if (length < FRAGMENT_HEADER) throw damaged('a block of the journal');
    last = block.readDoubleLE(at + 8);
    at += length;
  }
  return last;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
