import type * as lmdb from 'lmdb';
import { EvenkeelError, StorageError } from '../../errors';
import { isError } from '../../foreign';
import { lmdbFailure } from '../../native/load-failure';

/** What stored bytes are to LMDB here: binary keys, binary values. */
export type Tree = lmdb.Database<Uint8Array, Uint8Array>;
export type Root = lmdb.RootDatabase<Uint8Array, Uint8Array>;
/** A snapshot that is held until done(). */
export type Snapshot = lmdb.Transaction;

export type Lmdb = typeof lmdb;

/**
 * Read only when somebody opens a database: other engines do without. By require(), which test runners and bundlers replace by
 * their own, and which tries again what has failed.
 */
export function loadLmdb(): Lmdb {
  try {
    return require('lmdb') as Lmdb;
  } catch (cause) {
    throw lmdbFailure(cause) ?? cause;
  }
}

export const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

/** Everything from the smallest key on: without a start, the lmdb package leaves out what begins with a byte below 5. */
export const FROM_FIRST = { start: undefined, end: undefined } as const;

interface Transactions {
  readonly writeTxn: unknown;
  isBeside?: boolean;
}

/**
 * For a range of what a snapshot has. Where the snapshot is what the thread reads by anyway, it is not named: the lmdb
 * package then takes the cursor of the last range again instead of opening one.
 */
export function inSnapshot(tree: Tree, snapshot: Snapshot | undefined): { readonly transaction?: Snapshot } {
  if (snapshot === undefined) return {};
  const { env } = tree as unknown as { readonly env: Transactions };
  const { notCurrent } = snapshot as { notCurrent?: boolean };
  return notCurrent || env.writeTxn || env.isBeside ? { transaction: snapshot } : {};
}

/** How many keys there are; in a write transaction only. */
export function entryCount(tree: Tree): number {
  const { db } = tree as unknown as { readonly db: { stat(): { readonly entryCount: number } } };
  return db.stat().entryCount;
}

interface Reader {
  getBinaryFast(key: Uint8Array, options?: { readonly transaction?: Snapshot }): Uint8Array | undefined;
  lastSize: number;
}

/**
 * The memory that has the bytes under a key at its beginning, until the next read. Only its `length` tells how many
 * they are: whatever goes by another way sees the memory behind them, too.
 */
export function peekRaw(tree: Tree, key: Uint8Array, snapshot?: Snapshot): Buffer | undefined {
  const bytes = (tree as unknown as Reader).getBinaryFast(key, snapshot && { transaction: snapshot });
  // What is large is not copied: it is the map itself.
  return bytes === undefined || Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes under a key, good until the next read. */
export function peek(tree: Tree, key: Uint8Array, snapshot?: Snapshot): Buffer | undefined {
  const bytes = peekRaw(tree, key, snapshot);
  return bytes?.subarray(0, bytes.length);
}

/** Inside a write transaction; false when the key was there. */
export function putNew(tree: Tree, key: Uint8Array, value: Uint8Array): boolean {
  return (tree.putSync as (...args: unknown[]) => unknown)(key, value, { noOverwrite: true }) === true;
}

const CAUSES: readonly (readonly [RegExp, string])[] = [
  [/MDB_MAP_FULL/, 'the map is full: the database has reached its largest size'],
  [/MDB_(CORRUPTED|PAGE_NOTFOUND|PANIC|INVALID)|not an LMDB file/, 'the file is corrupt, or no database'],
  [/MDB_VERSION_MISMATCH/, 'the file is of another version of LMDB'],
  [/MDB_READERS_FULL/, 'too many states of the database are read at once'],
  [/MDB_DBS_FULL/, 'the database has as many classes and indexes as it can have'],
  [/No space left|ENOSPC|File too large|EFBIG/, 'the disk is full'],
  [/EMFILE|ENFILE|Too many open files/, 'no file descriptors are left'],
  [/ENOMEM|Cannot allocate memory/, 'no memory is left'],
  // Of a write that was cut short, LMDB says no more.
  [/Input\/output error|EIO/, 'the disk is full, or fails'],
  [/Permission denied|EACCES|EPERM|Read-only file system|EROFS/, 'the directory cannot be written'],
];

/** The typed error of what LMDB or the file system said; what has a type keeps it. */
export function storageError(cause: unknown, path: string): EvenkeelError {
  if (cause instanceof EvenkeelError) return cause;
  const said = isError(cause) ? cause.message : String(cause);
  const { code = '' } = isError(cause) ? (cause as { code?: string }) : {};
  const known = CAUSES.find(([pattern]) => pattern.test(`${said} ${code}`))?.[1];
  return new StorageError(`${path}: ${known ?? said}`, { cause, context: { node: path } });
}
