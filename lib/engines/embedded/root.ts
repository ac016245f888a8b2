import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgument } from '../../arguments';
import { loadAddon } from '../../native/load';
import { DATA, LOCK } from './files';
import { BINARY, loadLmdb, type Root } from './lmdb';
import { mapSize } from './map-size';
import { checkAddressSpace } from './resources';

/** Each class and index is a separate tree; LMDB needs the maximum in advance. */
const MOST_TREES = 1024;
/** Flags of an LMDB environment (lmdb.h). */
const NO_SYNC = 0x10000;
const READ_ONLY = 0x20000;

interface RootOptions {
  readonly durability: 'commit' | 'none';
  readonly readOnly: boolean;
  /** Permissions of created files. */
  readonly mode: number;
}

interface NativeEnvironment {
  readonly address: number;
  close(): void;
}

/** Exports of the lmdb package that its types omit. */
interface Internals {
  readonly nativeAddon: {
    readonly Env: { readonly prototype: { path?: string } };
    readonly getEnvFlags: (address: number) => number;
    open?: unknown;
  };
  readonly allDbs: Map<string, { readonly env: unknown }>;
}

export interface OpenRoot {
  readonly root: Root;
  /** Call after the first read: keeps LMDB's locks, whatever files this process opens and closes. */
  readonly keepLocks: () => void;
  readonly close: () => Promise<void>;
}

/**
 * Opens LMDB's environment in the directory. All threads of a process share one environment, with the options of the
 * first: InvalidArgumentError when these do not satisfy the options given here. A failure leaves nothing open.
 */
export function openRoot(path: string, options: RootOptions): OpenRoot {
  const locks = loadAddon().holdLocks(join(path, LOCK));
  try {
    const root = openLmdb(path, options);
    return {
      root,
      keepLocks() {
        if (isShared(path, options)) locks.take();
      },
      async close() {
        locks.loosen();
        await closeLmdb(root);
        locks.release();
      },
    };
  } catch (error) {
    locks.release();
    throw error;
  }
}

/**
 * For files that cannot be written, the lmdb package opens the directory separately for each thread, with separate
 * locks.
 */
function isShared(path: string, { readOnly }: RootOptions): boolean {
  if (!readOnly) return true;
  try {
    accessSync(join(path, DATA), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function openLmdb(path: string, options: RootOptions): Root {
  const lmdb = loadLmdb();
  const mapped = mapSize();
  const { size = 0 } = statSync(join(path, DATA), { throwIfNoEntry: false }) ?? {};
  checkAddressSpace(path, Math.max(mapped, size));
  const { nativeAddon } = lmdb as unknown as Internals;
  const { Env } = nativeAddon;
  let environment: NativeEnvironment | undefined;
  // The lmdb package sets this property as soon as LMDB has opened the environment, and then writes a tree of its own.
  // In a worker that is being terminated, V8 stops at the start of a function, such as this setter: opening takes
  // milliseconds.
  Object.defineProperty(Env.prototype, 'path', {
    configurable: true,
    set(this: NativeEnvironment, value: string) {
      environment = this;
      Object.defineProperty(this, 'path', { value, writable: true, enumerable: true, configurable: true });
      checkFlags(nativeAddon.getEnvFlags(this.address), options);
    },
  });
  // Otherwise the first copy of the lmdb package in this thread would open for all others, even after the node:vm
  // context that loaded it is gone.
  const { open } = nativeAddon;
  nativeAddon.open = lmdb.open;
  try {
    const given = {
      ...BINARY,
      path,
      noSubdir: false,
      maxDbs: MOST_TREES,
      maxReaders: 512,
      mapSize: mapped,
      permissionsMode: options.mode,
      // A commit must not be visible before it is durable.
      overlappingSync: false,
      // If enabled, a failed commit would reject a promise that nobody handles.
      eventTurnBatching: false,
      // A transaction is executed before later writes: see writeTransaction().
      strictAsyncOrder: true,
      noSync: options.durability === 'none',
      readOnly: options.readOnly,
    };
    return lmdb.open<Uint8Array, Uint8Array>(given);
  } catch (error) {
    environment?.close();
    throw error;
  } finally {
    delete Env.prototype.path;
    nativeAddon.open = open;
  }
}

function checkFlags(flags: number, { readOnly, durability }: RootOptions): void {
  if (readOnly) return;
  const elsewhere = 'another thread of this process has the directory open with';
  if (flags & READ_ONLY) throw invalidArgument('readOnly', `readOnly: ${elsewhere} readOnly true`);
  const shared = flags & NO_SYNC ? 'none' : 'commit';
  if (shared !== durability)
    throw invalidArgument('durability', `durability: ${elsewhere} durability ${shared}`);
}

async function closeLmdb(root: Root): Promise<void> {
  await root.close();
  // The lmdb package keeps every store that it has ever opened.
  const { allDbs } = loadLmdb() as unknown as Internals;
  const { env } = root as unknown as { readonly env: unknown };
  for (const [name, store] of allDbs) if (store.env === env) allDbs.delete(name);
}
