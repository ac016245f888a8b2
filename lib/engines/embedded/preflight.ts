import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../../errors';
import { DATA, LOCK } from './files';

// Fields of a meta page of LMDB 1.0 (mdb.c, MDB_page and MDB_meta); the file begins with two of them.
const MAGIC = 0xbeefc0de;
const VERSION = 2;
const AT_MAGIC = 24;
const AT_VERSION = 28;
const AT_PAGE_SIZE = 48;
const HEADER = 52;
const SMALLEST_PAGE = 256;
const LARGEST_PAGE = 65_536;
/** The size of a new database's first pages and of its reader table. */
const FIRST_BYTES = 128 * 1024;

/**
 * Detects what would make LMDB fail to open the directory: in that case the lmdb package uses freed memory, which may
 * end the process. Throws StorageError or the file system's error. Returns the page size; undefined when there is no
 * database yet.
 */
export function checkBeforeOpen(path: string, readOnly: boolean): number | undefined {
  const file = join(path, DATA);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > 0) {
    for (const name of readOnly ? [DATA] : [DATA, LOCK]) checkAccess(join(path, name), readOnly);
    return checkHeader(file, size, path);
  }
  if (readOnly) throw new StorageError(`${path}: there is no database to read`, { context: { node: path } });
  checkRoom(path);
  return undefined;
}

/**
 * Checks access without opening the file: closing a file releases all locks of the process on it (POSIX), and another
 * thread may have the directory open. LMDB locks only lock.mdb, so data.mdb may be opened and closed.
 */
function checkAccess(file: string, readOnly: boolean): void {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined)
    accessSync(file, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK);
}

function checkHeader(file: string, size: number, path: string): number {
  const corrupt = (problem: string): never => {
    throw new StorageError(`${path}: the file is corrupt, or no database: ${problem}`, {
      context: { node: path },
    });
  };
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const header = Buffer.alloc(HEADER);
    const read = (at: number): boolean =>
      readSync(descriptor, header, 0, HEADER, at) === HEADER && header.readUInt32LE(AT_MAGIC) === MAGIC;
    if (!read(0)) corrupt('it does not start with the header of an LMDB file');
    if (header.readUInt32LE(AT_VERSION) !== VERSION)
      throw new StorageError(`${path}: the file is of another version of LMDB`, { context: { node: path } });
    const pageSize = header.readUInt32LE(AT_PAGE_SIZE);
    if (pageSize < SMALLEST_PAGE || pageSize > LARGEST_PAGE) corrupt(`it has pages of ${pageSize} bytes`);
    if (size < 2 * pageSize || !read(pageSize)) corrupt('its second page is missing');
    return pageSize;
  } finally {
    closeSync(descriptor);
  }
}

function checkRoom(path: string): void {
  const probe = join(path, `probe-${randomBytes(6).toString('hex')}`);
  const descriptor = openSync(probe, 'wx', 0o600);
  try {
    for (let written = 0; written < FIRST_BYTES; )
      written += writeSync(descriptor, Buffer.alloc(FIRST_BYTES - written));
  } finally {
    closeSync(descriptor);
    unlinkSync(probe);
  }
}
