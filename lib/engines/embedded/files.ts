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

/** A file beside the data that is written to after every commit with events: whoever listens watches it. */
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
  /** Permissions of the files that are made. */
  readonly mode: number;
}

/**
 * Refuses what lies in the place of a file and is none, and what belongs to somebody else, before any of it is opened. Those
 * who may write to the directory can put something else there afterwards; whose it is, is looked at for that.
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
  // The other name would be another database, which knows nothing of the locks of this one.
  if (stats.nlink > 1 && !options.readOnly)
    throw refused(path, `${name} is a file with several names (hard links)`);
  checkOwner(stats, path, name, options);
}

/** root may do everything as it is. */
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
 * Has `make` make files, and gives those that were not there before the permissions that they are to have: the umask may
 * have taken some away. What was there keeps its own.
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
 * Makes a file before LMDB does, if there is none and can be one. What root makes belongs to the owner of what it is for, who
 * could not open the database otherwise.
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

/** Who may read a file may go through the directory it is in. */
export const directoryMode = (mode: number): number => mode | ((mode & 0o444) >> 2);
