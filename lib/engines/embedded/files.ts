import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  openSync,
  type Stats,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../../errors';

/** A file next to the data that is written after every commit with events; listeners watch it. */
export const WAKE = 'wake';
export const DATA = 'data.mdb';
export const LOCK = 'lock.mdb';
const FILES = [DATA, LOCK, WAKE];
const PERMISSIONS = 0o777;
const ROOT = 0;

interface Trust {
  readonly allowForeignOwner: boolean;
  readonly readOnly: boolean;
}

export interface FileOptions extends Trust {
  /** Permissions of created files. */
  readonly mode: number;
}

/**
 * Refuses special files in place of the database's files, and files of another user, before any of them is opened.
 * Whoever may write to the directory can replace the files later, so the directory's owner is checked, too.
 */
export function checkFiles(path: string, options: Trust): void {
  checkOwner(statSync(path), path, 'the directory', options);
  for (const name of FILES) {
    const stats = lstatSync(join(path, name), { throwIfNoEntry: false });
    if (stats !== undefined) checkStats(stats, path, name, options);
  }
}

export function checkStats(stats: Stats, path: string, name: string, options: Trust): void {
  if (!stats.isFile()) throw refused(path, `${name} is ${kindOf(stats)}, not a file`);
  // Through another name this file would be a different database, without the locks of this one.
  if (stats.nlink > 1 && !options.readOnly)
    throw refused(path, `${name} is a file with several names (hard links)`);
  checkOwner(stats, path, name, options);
}

/** root may do anything anyway. */
function checkOwner(stats: Stats, path: string, what: string, { allowForeignOwner }: Trust): void {
  const own = process.geteuid?.();
  if (allowForeignOwner || own === undefined || stats.uid === own || stats.uid === 0) return;
  throw refused(
    path,
    `${what} belongs to another user (uid ${stats.uid}, this process has ${own}): ` +
      'allowForeignOwner: true opens it, if that user is to be trusted',
  );
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

function refused(path: string, problem: string): StorageError {
  return new StorageError(`${path}: ${problem}`, { context: { node: path } });
}

/**
 * Runs `make` and gives newly created files their permissions, because the umask may have removed some. Existing files
 * keep theirs.
 */
export function makeFiles<Result>(path: string, { mode }: FileOptions, make: () => Result): Result {
  const files = FILES.map((name) => join(path, name));
  const statsOf = (file: string): Stats | undefined => lstatSync(file, { throwIfNoEntry: false });
  const missing = files.filter((file) => statsOf(file) === undefined);
  const owner = statSync(path);
  if (process.geteuid?.() === ROOT && owner.uid !== ROOT)
    for (const file of missing) makeEmpty(file, owner, mode);
  const result = make();
  for (const file of missing) {
    const stats = statsOf(file);
    if (stats === undefined || !stats.isFile() || stats.uid !== process.geteuid?.()) continue;
    if ((stats.mode & PERMISSIONS) !== mode) chmodSync(file, mode);
  }
  return result;
}

/**
 * Creates a file before LMDB does, if it is missing. When root creates it, it gets the owner of the database, who could
 * not open it otherwise.
 */
export function makeEmpty(file: string, { uid, gid }: Stats, mode: number): void {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  } catch {
    return;
  }
  try {
    if (process.geteuid?.() === ROOT) fchownSync(descriptor, uid, gid);
    fchmodSync(descriptor, mode);
  } finally {
    closeSync(descriptor);
  }
}

/** Users who may read the files may also search the directory. */
export const directoryMode = (mode: number): number => mode | ((mode & 0o444) >> 2);
