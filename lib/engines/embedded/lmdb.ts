import type * as lmdb from 'lmdb';
import { EvenkeelError, StorageError } from '../../errors';
import { isError } from '../../foreign';
import { lmdbFailure } from '../../native/load-failure';

/** A tree with binary keys and binary values. */
export type Tree = lmdb.Database<Uint8Array, Uint8Array>;
export type Root = lmdb.RootDatabase<Uint8Array, Uint8Array>;
/** A snapshot, held until done(). */
export type Snapshot = lmdb.Transaction;

export type Lmdb = typeof lmdb;

/**
 * Loaded only when a database is opened, because other engines do not need it. Uses require(), which test runners and
 * bundlers replace, and which retries after a failure.
 */
export function loadLmdb(): Lmdb {
  try {
    return require('lmdb') as Lmdb;
  } catch (cause) {
    throw lmdbFailure(cause) ?? cause;
  }
}

export const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

/** A range from the smallest key: without a start, the lmdb package skips keys that begin with a byte below 5. */
export const FROM_FIRST = { start: undefined, end: undefined } as const;

interface Transactions {
  readonly writeTxn: unknown;
  isBeside?: boolean;
}

/**
 * Options for a range over a snapshot. If the thread reads from this snapshot anyway, it is not named, so that the lmdb
 * package reuses the cursor of the last range instead of opening one.
 */
export function inSnapshot(tree: Tree, snapshot: Snapshot | undefined): { readonly transaction?: Snapshot } {
  if (snapshot === undefined) return {};
  const { env } = tree as unknown as { readonly env: Transactions };
  const { notCurrent } = snapshot as { notCurrent?: boolean };
  return notCurrent || env.writeTxn || env.isBeside ? { transaction: snapshot } : {};
}

/** The number of keys; only in a write transaction. */
export function entryCount(tree: Tree): number {
  const { db } = tree as unknown as { readonly db: { stat(): { readonly entryCount: number } } };
  return db.stat().entryCount;
}

interface Reader {
  getBinaryFast(key: Uint8Array, options?: { readonly transaction?: Snapshot }): Uint8Array | undefined;
  lastSize: number;
}

/**
 * The memory that starts with the value of a key, valid until the next read. Only its `length` is that of the value;
 * other ways of access see the memory behind it, too.
 */
export function peekRaw(tree: Tree, key: Uint8Array, snapshot?: Snapshot): Buffer | undefined {
  const bytes = (tree as unknown as Reader).getBinaryFast(key, snapshot && { transaction: snapshot });
  // Large values are not copied but point into the map.
  return bytes === undefined || Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The value of a key, valid until the next read. */
export function peek(tree: Tree, key: Uint8Array, snapshot?: Snapshot): Buffer | undefined {
  const bytes = peekRaw(tree, key, snapshot);
  return bytes?.subarray(0, bytes.length);
}

/** Call in a write transaction. Returns false when the key existed. */
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
  // LMDB reports a truncated write only like this.
  [/Input\/output error|EIO/, 'the disk is full, or fails'],
  [/Permission denied|EACCES|EPERM|Read-only file system|EROFS/, 'the directory cannot be written'],
];

/** Converts an error of LMDB or the file system to a typed error; typed errors are returned unchanged. */
export function storageError(cause: unknown, path: string): EvenkeelError {
  if (cause instanceof EvenkeelError) return cause;
  const said = isError(cause) ? cause.message : String(cause);
  const { code = '' } = isError(cause) ? (cause as { code?: string }) : {};
  const known = CAUSES.find(([pattern]) => pattern.test(`${said} ${code}`))?.[1];
  return new StorageError(`${path}: ${known ?? said}`, { cause, context: { node: path } });
}
