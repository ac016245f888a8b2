import type { ClassStore, Draft, IndexStore } from './class-store';
import type { PlainDraft, PlainRecord } from './plain-store';
import type { Stored } from './record-codec';
import type { Version } from './version';

/**
 * Where an operation reads and writes: LMDB's write transaction itself, or a transaction's staged writes over a
 * snapshot. Expired records are invisible in both.
 */
export interface Scope {
  /** ms since 1970; does not go back. */
  readonly now: number;
  read(store: ClassStore, key: Buffer): Stored | undefined;
  /** The primary key of the record with this key in a unique index. */
  holder(store: ClassStore, index: IndexStore, indexKey: Buffer): Buffer | undefined;
  /** Replaces the current record `before` by `after`; removes it without `after`. */
  write(store: ClassStore, key: Buffer, before: Stored | undefined, after: Draft | undefined): Version;
  /** Removes all records of the class; returns their number. */
  clear(store: ClassStore): number;
  /** The next number of the class's autoid. noteAutoid() registers a number given by the user instead. */
  nextAutoid(store: ClassStore): bigint;
  noteAutoid(store: ClassStore, given: bigint): void;
  /** The next position in insertion order. */
  nextOrder(): number;
  readPlain(key: Buffer): PlainRecord | undefined;
  writePlain(key: Buffer, before: PlainRecord | undefined, after: PlainDraft | undefined): Version;
}
