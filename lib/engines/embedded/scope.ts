import type { ClassStore, Draft, IndexStore } from './class-store';
import type { PlainDraft, PlainRecord } from './plain-store';
import type { Stored } from './record-codec';
import type { Version } from './version';

/**
 * Where an operation reads and writes: the write transaction of LMDB itself, or what a transaction has staged over a
 * snapshot. What has expired is not there for either.
 */
export interface Scope {
  /** ms since 1970; it does not go back. */
  readonly now: number;
  read(store: ClassStore, key: Buffer): Stored | undefined;
  /** The primary key of the record that has this key in a unique index. */
  holder(store: ClassStore, index: IndexStore, indexKey: Buffer): Buffer | undefined;
  /** Writes or, without `after`, removes a record that is `before` now. */
  write(store: ClassStore, key: Buffer, before: Stored | undefined, after: Draft | undefined): Version;
  /** Removes all records of the class: how many there were. */
  clear(store: ClassStore): number;
  /** The next number of the class's autoid; a number that the user gave is made known instead. */
  nextAutoid(store: ClassStore): bigint;
  noteAutoid(store: ClassStore, given: bigint): void;
  /** The next place in the order of insertion. */
  nextOrder(): number;
  readPlain(key: Buffer): PlainRecord | undefined;
  writePlain(key: Buffer, before: PlainRecord | undefined, after: PlainDraft | undefined): Version;
}
