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
 * Creates the directory, for this user only; returns false if it exists. Not recursive: where no directory can be
 * created, as in /proc, Node's recursive mode loops for ever.
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

/** Directories to remove with their databases, at the latest at the end of the thread. */
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
    return; // for example without free descriptors; the end of the thread tries again
  }
  temporary.delete(path);
  if (temporary.size === 0) nodeProcess.off('exit', removeAllTemporary);
}

function removeAllTemporary(): void {
  for (const path of temporary) removeTemporary(path);
}

/** The time limit of a process that reads every page: a constant part, and the minimum number of bytes read per ms. */
const VERIFY_MS = 20_000;
const VERIFIED_AN_MS = 20_000;

/**
 * Checks for pages that are missing at the end of the file: touching one through the map would kill the process. Pages
 * that nothing refers to may legitimately be missing, so a separate process checks whether it is only those. It cannot
 * detect a page that is only partly present, because the missing part reads as zeros.
 */
export function checkFile(root: Root, path: string, readOnly: boolean, pageSize: number): void {
  const { env } = root as unknown as { readonly env: { info(): { readonly lastPageNumber: number } } };
  const { lastPageNumber } = env.info();
  const file = join(path, DATA);
  const { size } = statSync(file);
  const wanted = (lastPageNumber + 1) * pageSize;
  if (size === 0 || size >= wanted) return;
  if (size % pageSize !== 0)
    throw new StorageError(`${path}: the file is corrupt: it ends in the middle of a page`);
  const args = [join(__dirname, 'verify.js'), path, ...(readOnly ? [] : ['write'])];
  // The time limit also ends a check in which LMDB follows a cycle.
  const timeout = Math.ceil(VERIFY_MS + size / VERIFIED_AN_MS);
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore', timeout });
  if (status !== 0) throw new StorageError(`${path}: the file is corrupt: pages are missing at its end`);
  if (!readOnly) truncateSync(file, wanted);
}
