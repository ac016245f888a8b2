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
/** Set in the last fragment of a transaction. */
export const FRAGMENT_LAST = 1;
/** A block is written when it has grown beyond this size; only a single event can make it much larger. */
const BLOCK_BYTES = 32 * 1024;
/** The number of blocks that one commit drops unless it adds many itself; low enough to go unnoticed. */
const TRIM_BLOCKS = 8;

export interface Retention {
  /** Seconds. */
  readonly maxAge: number;
  readonly maxBytes: number;
}

/** Whether the last trim stopped before everything old was dropped. */
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

/** Writes the changes of one LMDB write transaction, which may contain any number of this package's transactions. */
export class JournalWriter {
  readonly #tree: Tree;
  readonly #state: State;
  readonly #firstSeq: number;
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #length = 0;
  #blockSeq = 0;
  #blockPart = 0;
  #blocks = 0;
  /** The start of the open fragment, or -1. */
  #fragment = -1;
  #part = 0;
  #index = 0;
  #meta: Buffer | undefined;

  constructor(tree: Tree, state: State) {
    this.#tree = tree;
    this.#state = state;
    this.#firstSeq = state.seq;
  }

  /** Adds a change to the open transaction, or starts a new one with the next number. */
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

  /** Whether anything was journalled. */
  get hasGrown(): boolean {
    return this.#state.seq > this.#firstSeq;
  }

  /** Whether a transaction is open. */
  get isOpen(): boolean {
    return this.#fragment >= 0;
  }

  /** Ends the open transaction, if any. */
  end(): void {
    if (this.#fragment < 0) return;
    const length = this.#length - this.#fragment;
    this.#closeFragment(true);
    // The next transaction may have the same size, and an undivided one is cheaper to read.
    if (this.#length + length > BLOCK_BYTES) this.#put();
  }

  /** Writes what is still in memory, and drops what exceeds the retention. */
  flush(retention: Retention, trimming: Trimming): void {
    if (this.#length === 0 && this.#blocks === 0) return;
    this.#put();
    // Checking the age of the oldest block costs a read, so it is done only occasionally.
    const isWhile = Math.floor(this.#state.seq / 256) > Math.floor(this.#firstSeq / 256);
    if (isWhile || trimming.isBehind || this.#state.journalBytes > retention.maxBytes)
      trimming.isBehind = this.#trim(retention);
  }

  /**
   * Drops whole transactions, the oldest first, while there are too many bytes or they are too old. A transaction is
   * gone at once; its blocks are removed now or with the next commits. Returns whether there may be more to drop.
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

  /** The next transaction that starts with its own block. */
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

/** The snapshot to read; undefined: the committed state. */
type By = { readonly transaction: Snapshot } | undefined;

/** The block in which transaction `seq` starts, or else the first block after it; undefined after the newest. */
export function blockFrom(tree: Tree, seq: number, by: By): { key: Uint8Array; block: Buffer } | undefined {
  const range = { ...by, start: blockKey(seq, 0), end: undefined, reverse: true, limit: 1 };
  for (const { key, value } of tree.getRange(range)) {
    if (lastSeqOf(value) >= seq) return { key, block: asBuffer(value) };
  }
  return blockAfter(tree, blockKey(seq, 0), by);
}

/** The block after the one with this key. */
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
