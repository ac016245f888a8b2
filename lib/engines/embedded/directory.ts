import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { StorageError } from '../../errors';
import { nodeProcess } from '../../platform';
import { DATA, directoryMode, type FileOptions } from './files';
import { type Root, storageError } from './lmdb';

export function prepareDirectory(path: string, { readOnly, mode }: FileOptions): string {
  try {
    if (readOnly && !existsSync(path))
      throw new StorageError(`${path}: there is no database to read`, { context: { node: path } });
    if (!readOnly && makeDirectory(path)) chmodSync(path, directoryMode(mode));
    return realpathSync(path);
  } catch (error) {
    throw storageError(error, path);
  }
}

/**
 * Whether it was made here, for this user only. Where no directory can be made, as in /proc, Node's own recursive function
 * tries without end.
 */
export function makeDirectory(path: string, mode = 0o700): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return false;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent, 0o777);
  try {
    mkdirSync(path, mode);
    return true;
  } catch (error) {
    // Another process may have been faster.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
    return false;
  }
}

/** Directories that go with their databases, at the latest with the thread. */
const temporary = new Set<string>();

export function makeTemporary(): string {
  try {
    const path = mkdtempSync(join(tmpdir(), 'evenkeel-'));
    if (temporary.size === 0) nodeProcess.on('exit', removeAllTemporary);
    temporary.add(path);
    return path;
  } catch (error) {
    throw storageError(error, tmpdir());
  }
}

export function removeTemporary(path: string): void {
  if (!temporary.has(path)) return;
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    return; // for want of descriptors, for instance: the end of the thread tries again
  }
  temporary.delete(path);
  if (temporary.size === 0) nodeProcess.off('exit', removeAllTemporary);
}

function removeAllTemporary(): void {
  for (const path of temporary) removeTemporary(path);
}

/** What a process may take that looks at every page: to begin, and bytes it gets done in a ms at least. */
const VERIFY_MS = 20_000;
const VERIFIED_AN_MS = 20_000;

/**
 * Pages that the file ought to have and has not would be touched through the map, which ends the process. Some that
 * nothing refers to may rightly be missing at its end: whether it is those, another process finds out. It cannot of a page
 * that is there in part: what is missing of it reads as zeros.
 */
export function checkFile(root: Root, path: string, readOnly: boolean, pageSize: number): void {
  const { env } = root as unknown as { readonly env: { info(): { readonly lastPageNumber: number } } };
  const { lastPageNumber } = env.info();
  const file = join(path, DATA);
  const { size } = statSync(file);
  const wanted = (lastPageNumber + 1) * pageSize;
  if (size === 0 || size >= wanted) return;
  if (size % pageSize !== 0) throw new StorageError(`${path}: the file is corrupt: it ends amid a page`);
  const args = [join(__dirname, 'verify.js'), path, ...(readOnly ? [] : ['write'])];
  // Where LMDB goes round in circles it comes to no end, either.
  const timeout = Math.ceil(VERIFY_MS + size / VERIFIED_AN_MS);
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore', timeout });
  if (status !== 0) throw new StorageError(`${path}: the file is corrupt: pages are missing at its end`);
  if (!readOnly) truncateSync(file, wanted);
}
