import { closeSync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { StorageError } from '../../errors';
import { loadAddon } from '../../native/load';

/** LMDB opens three for a directory and this package two; the rest are opened briefly. */
const DESCRIPTORS = 8;
/** A generous estimate of what LMDB and the lmdb package allocate for an environment. */
const TABLES = 32 << 20;
/** The stack size of threads in libuv's pool, which are started on first use. */
const STACK = 8 << 20;
const threadsOfPool = Math.min(Math.max(Number(process.env.UV_THREADPOOL_SIZE ?? 4) || 1, 1), 1024);
let isPoolThere = false;

/**
 * Checks that the resources for opening a directory are available. If LMDB is refused one while opening, the lmdb
 * package uses freed memory; if libuv is refused the threads of its pool, it aborts the process.
 */
export async function checkResources(path: string): Promise<void> {
  checkDescriptors(path);
  await checkThreads(path);
}

/** `mapped` is the address space for the file, in bytes. */
export function checkAddressSpace(path: string, mapped: number): void {
  if (!loadAddon().canMap(mapped + TABLES))
    throw missing(path, `there is no address space to map ${mapped} bytes of the file`);
}

function checkDescriptors(path: string): void {
  const held: number[] = [];
  try {
    while (held.length < DESCRIPTORS) held.push(openSync('/dev/null', 'r'));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE')
      throw missing(path, `opening it takes ${DESCRIPTORS} file descriptors, ${held.length} are left`, cause);
  } finally {
    for (const each of held) closeSync(each);
  }
}

async function checkThreads(path: string): Promise<void> {
  if (isPoolThere) return;
  if (!loadAddon().canStartThreads(threadsOfPool, STACK))
    throw missing(path, `its writes take ${threadsOfPool} threads, which cannot be started`);
  await stat('/').catch(() => {});
  isPoolThere = true;
}

function missing(path: string, problem: string, cause?: unknown): StorageError {
  return new StorageError(`${path}: ${problem}`, { cause, context: { node: path } });
}
