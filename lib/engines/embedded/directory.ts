import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorageError } from '../../errors';
import { type Root, storageError } from './lmdb';

export function prepareDirectory(path: string, readOnly: boolean): string {
  try {
    if (!readOnly) mkdirSync(path, { recursive: true });
    return realpathSync(path);
  } catch (error) {
    throw storageError(error, path);
  }
}

/** Directories that go with their databases, at the latest with the thread. */
const temporary = new Set<string>();

export function makeTemporary(): string {
  try {
    const path = mkdtempSync(join(tmpdir(), 'evenkeel-'));
    if (temporary.size === 0) process.on('exit', removeAllTemporary);
    temporary.add(path);
    return path;
  } catch (error) {
    throw storageError(error, tmpdir());
  }
}

export function removeTemporary(path: string): void {
  if (!temporary.delete(path)) return;
  if (temporary.size === 0) process.off('exit', removeAllTemporary);
  rmSync(path, { recursive: true, force: true });
}

function removeAllTemporary(): void {
  for (const path of temporary) removeTemporary(path);
}

// LMDB's mdb.c: a page has a header of 24 bytes; a meta page then has the magic number, the version of the format and, 16
// bytes on, the size of a page. The two first pages are meta pages.
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;

/** What does not begin as an LMDB file ends the process when it is opened: it is looked at before. */
export function checkHeader(path: string): void {
  const file = join(path, 'data.mdb');
  if (!existsSync(file)) return;
  const descriptor = openSync(file, 'r');
  try {
    const word = (at: number): number => {
      const bytes = Buffer.alloc(4);
      return readSync(descriptor, bytes, 0, 4, at) === 4 ? bytes.readUInt32LE() : 0;
    };
    if (fstatSync(descriptor).size === 0) return; // made, and nothing written yet
    const second = word(PAGE_SIZE_AT) + MAGIC_AT;
    for (const at of [MAGIC_AT, second]) {
      if (word(at) !== MAGIC) throw new StorageError(`${path}: the file is corrupt, or no database`);
      if (word(at + 4) !== DATA_VERSION)
        throw new StorageError(`${path}: the file is of another version of LMDB`);
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Pages that the file ought to have and has not would be touched through the map, which ends the process. Some that
 * nothing refers to may rightly be missing at its end: whether it is those, another process finds out.
 */
export function checkFile(root: Root, path: string, readOnly: boolean): void {
  const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
  const file = join(path, 'data.mdb');
  const { size } = statSync(file);
  const wanted = (lastPageNumber + 1) * pageSize;
  if (size === 0 || size >= wanted) return;
  const args = [join(__dirname, 'verify.js'), path, ...(readOnly ? [] : ['write'])];
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (status !== 0) throw new StorageError(`${path}: the file is corrupt: pages are missing at its end`);
  if (!readOnly) truncateSync(file, wanted);
}
