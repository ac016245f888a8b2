import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { checkFlag, checkOptions, checkSignal, invalidArgument, optionNames, shown } from '../../arguments';
import type { BackupOptions } from '../../backup';
import { EvenkeelError } from '../../errors';
import { clearInterval, setInterval } from '../../platform';
import { onAbort, reasonOf } from '../../transactions/abort';
import { makeDirectory } from './directory';
import type { Environment } from './environment';
import { DATA, LOCK } from './files';
import { markAsCopy } from './format';
import { BINARY, storageError, type Tree } from './lmdb';
import { openRoot } from './root';
import { causeOf, writeTransaction } from './write-transaction';

const NAMES = optionNames<BackupOptions>({ compact: true, onProgress: true, signal: true });
const PROGRESS_MS = 100;
const PERMISSIONS = 0o777;

/**
 * Copies the committed state into a new directory while others read and write. Only LMDB can do this: opening and
 * closing the files in any other way would release the process's locks and copy pages that are being written.
 */
export async function backUp(
  environment: Environment,
  directory: string,
  options: BackupOptions,
): Promise<void> {
  checkOptions(options, NAMES);
  const { compact = false, onProgress = () => {}, signal } = options;
  if (typeof directory !== 'string' || directory === '' || directory.includes('\0'))
    throw invalidArgument('directory', `directory is a path, not ${shown(directory)}`);
  if (typeof onProgress !== 'function')
    throw invalidArgument('onProgress', `onProgress is a function, not ${shown(onProgress)}`);
  if (signal !== undefined) checkSignal(signal);
  checkFlag('compact', compact);
  environment.assertOpen();
  if (signal?.aborted) throw reasonOf(signal);
  const target = resolve(directory);
  checkTarget(target);
  // The copy gets its final name when it is complete, so that a killed process never leaves a partial copy that looks
  // like a backup.
  const partial = `${target}.partial-${randomBytes(6).toString('hex')}`;
  let theirs: { readonly error: unknown } | undefined;
  try {
    const modes = modesOf(environment.path);
    makeDirectory(dirname(target), 0o777);
    mkdirSync(partial);
    chmodSync(partial, modes.directory);
    const total = statSync(join(environment.path, DATA)).size;
    const tell = (done: number, of: number): void => {
      try {
        onProgress({ done, total: of });
      } catch (error) {
        theirs = { error };
        throw error;
      }
    };
    await watched(environment.copy(partial, compact), signal, () => {
      const { size = 0 } = statSync(join(partial, DATA), { throwIfNoEntry: false }) ?? {};
      tell(Math.min(size, total), total);
    });
    chmodSync(join(partial, DATA), modes.file);
    await mark(partial, modes.file);
    const { size } = statSync(join(partial, DATA));
    tell(size, size);
    if (signal?.aborted) throw reasonOf(signal);
    syncDirectory(partial);
    renameSync(partial, target);
    syncDirectory(dirname(target));
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (theirs?.error === error || error instanceof EvenkeelError) throw error;
    if (signal?.aborted && error === reasonOf(signal)) throw error;
    throw storageError(await causeOf(error), target);
  }
}

function checkTarget(target: string): void {
  const stats = statSync(target, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isDirectory()) throw invalidArgument('directory', `directory: ${target} is no directory`);
  if (readdirSync(target).length > 0)
    throw invalidArgument('directory', `directory: ${target} is not empty, and a backup replaces nothing`);
}

function modesOf(path: string): { readonly directory: number; readonly file: number } {
  const modeOf = (name: string): number => statSync(name).mode & PERMISSIONS;
  return { directory: modeOf(path), file: modeOf(join(path, DATA)) };
}

/** Resolves with `work`, or rejects on an abort; calls `look` periodically. */
function watched(work: Promise<void>, signal: AbortSignal | undefined, look: () => void): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const settle = (end: () => void): void => {
      clearInterval(timer);
      stopListening();
      end();
    };
    const timer = setInterval(() => {
      try {
        look();
      } catch (error) {
        settle(() => reject(error));
      }
    }, PROGRESS_MS);
    const stopListening =
      signal === undefined ? () => {} : onAbort(signal, (reason) => settle(() => reject(reason)));
    work.then(
      () => settle(resolve),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

/** A copy gets its own epoch when it is opened for writing, because its history diverges from the original's. */
async function mark(path: string, mode: number): Promise<void> {
  const { root, close } = openRoot(path, { durability: 'commit', readOnly: false, mode });
  try {
    await writeTransaction(root, () => markAsCopy(root.openDB('meta', BINARY) as Tree));
  } finally {
    await close();
  }
  rmSync(join(path, LOCK), { force: true });
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
