import { statSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgument } from '../../arguments';
import { ClosedError, EvenkeelError, SchemaMismatchError, StorageError } from '../../errors';
import type { Timers } from '../../event-base/event-base';
import { nextTick, performanceNow, queueMicrotask } from '../../platform';
import { Beside } from './beside';
import { Catalog } from './catalog';
import { checkFile, makeTemporary, prepareDirectory, removeTemporary } from './directory';
import { Expanders } from './expanders';
import { checkFiles, DATA, type FileOptions, makeFiles } from './files';
import { readFormat } from './format';
import { Hold } from './hold';
import type { Retention, Trimming } from './journal';
import { beginCommit, endCommit } from './leaving';
import { BINARY, FROM_FIRST, type Root, type Snapshot, storageError, type Tree } from './lmdb';
import { Notifier } from './notifier';
import { checkBeforeOpen } from './preflight';
import { checkResources } from './resources';
import { type OpenRoot, openRoot } from './root';
import { readState } from './state';
import { stopBeforeReads, stopBeforeWrites } from './stopping';
import { Watch } from './watch';
import { causeOf, writeTransaction } from './write-transaction';

export interface EnvironmentOptions extends FileOptions {
  /** A directory; undefined for a database that is removed with its last connection. */
  readonly path: string | undefined;
  readonly durability: 'commit' | 'none';
  readonly restored: boolean;
  readonly clock: () => number;
  readonly retention: Retention;
  /** ms. */
  readonly snapshotWarning: number;
}

/** The minimum time between two checks for dead readers. */
const READERS_CHECK_MS = 100;

interface Trees {
  readonly meta: Tree;
  readonly plain: Tree;
  readonly expiry: Tree;
  readonly journal: Tree;
  /** Durable subscriptions, their parked events, and who wants the records removed by a deleteAll. */
  readonly subscriptions: Tree;
}

/**
 * The open environments of this JavaScript thread. Opening a directory twice shares one, because two would wait for
 * each other's write locks.
 */
const open = new Map<string, Environment>();
/** Directories being opened; the promise resolves when that has succeeded or failed. */
const opening = new Map<string, Promise<void>>();

/** An LMDB environment with the data of this package, shared by all databases of a thread on the same directory. */
export class Environment {
  readonly clock: () => number;
  readonly retention: Retention;
  readonly trimming: Trimming = { isBehind: false };
  readonly readOnly: boolean;
  readonly autoids = new Map<number, { next: bigint; end: bigint }>();
  readonly expanders: Expanders;
  readonly beside: Beside;
  readonly root: Root;
  readonly #opened: OpenRoot;
  readonly #listeners = new Set<() => void>();
  readonly #watch: Watch;
  readonly #copies = new Set<Promise<void>>();
  /** The identity of the data file, whatever is at the path by now. */
  readonly #file: string | undefined;
  #exclusive: Promise<void> | undefined;
  #writing = 0;
  #isExecuting = false;
  #whenWritten: (() => void)[] = [];
  #references = 0;
  #lastTime = 0;
  #readersChecked = Number.NEGATIVE_INFINITY;
  #isFresh = false;
  readonly #expiryListeners = new Set<() => void>();
  #hasNewExpiry = false;
  #notifier: Notifier | undefined;
  #nextExpiry = Number.POSITIVE_INFINITY;

  private constructor(
    readonly path: string,
    opened: OpenRoot,
    readonly trees: Trees,
    readonly epoch: string,
    readonly catalog: Catalog,
    readonly options: EnvironmentOptions,
  ) {
    this.clock = options.clock;
    this.retention = options.retention;
    this.readOnly = options.readOnly;
    this.#lastTime = readState(trees.meta).time;
    this.#opened = opened;
    this.root = opened.root;
    this.beside = new Beside(opened.root);
    this.#watch = new Watch(path, options.snapshotWarning);
    this.#file = fileAt(path);
    this.expanders = new Expanders(trees.subscriptions);
  }

  /** Opens the directory, or shares it if this thread has it open. StorageError when it cannot be used. */
  static async open(options: EnvironmentOptions): Promise<Environment> {
    const path = options.path === undefined ? makeTemporary() : prepareDirectory(options.path, options);
    for (let other = opening.get(path); other !== undefined; other = opening.get(path)) await other;
    const known = open.get(path);
    if (known !== undefined) {
      if (known.#file !== fileAt(path)) throw replaced(path);
      checkSame(known.options, options);
      known.#references += 1;
      return known;
    }
    const opened = Environment.#open(path, options);
    const isOver = (): void => void opening.delete(path);
    opening.set(path, opened.then(isOver, isOver));
    return opened;
  }

  static async #open(path: string, options: EnvironmentOptions): Promise<Environment> {
    let opened: OpenRoot | undefined;
    try {
      checkFiles(path, options);
      await checkResources(path);
      const pageSize = checkBeforeOpen(path, options.readOnly);
      const durability = options.path === undefined ? 'none' : options.durability;
      opened = makeFiles(path, options, () => openRoot(path, { ...options, durability }));
      stopBeforeWrites(opened.root);
      if (pageSize !== undefined) checkFile(opened.root, path, options.readOnly, pageSize);
      const environment = await Environment.#prepare(opened, path, options);
      opened.keepLocks();
      environment.#references = 1;
      open.set(path, environment);
      return environment;
    } catch (error) {
      await opened?.close();
      removeTemporary(path);
      throw error instanceof EvenkeelError ? error : storageError(await causeOf(error), path);
    }
  }

  static async #prepare(opened: OpenRoot, path: string, options: EnvironmentOptions): Promise<Environment> {
    const { root } = opened;
    const names = [...root.getKeys({ ...FROM_FIRST })].map((key) => Buffer.from(key).toString());
    const isNew = names.length === 0;
    // The lmdb package appends a zero to the names of trees.
    if (!isNew && !names.includes('meta\0')) throw new StorageError(`${path}: this is no evenkeel database`);
    if (isNew && options.readOnly) throw new StorageError(`${path}: there is no database to read`);
    const tree = (name: string): Tree => root.openDB(name, BINARY) as Tree;
    const openTrees = () => {
      const trees: Trees = {
        meta: tree('meta'),
        plain: tree('plain'),
        expiry: tree('expiry'),
        journal: tree('journal'),
        subscriptions: tree('subscriptions'),
      };
      return { trees, ...readFormat(trees.meta, path, options) };
    };
    // In one transaction: opening each tree separately would be a transaction of this thread, and a worker that is
    // terminated during one never ends.
    const { trees, epoch } = options.readOnly ? openTrees() : await writeTransaction(root, openTrees);
    return new Environment(path, opened, trees, epoch, new Catalog(root, trees, path), options);
  }

  get isTemporary(): boolean {
    return this.options.path === undefined;
  }

  /** ms since 1970; never earlier than any commit seen so far. */
  now(): number {
    this.#lastTime = Math.max(this.#lastTime, this.clock());
    return this.#lastTime;
  }

  /** The number of the newest journalled transaction, and of the oldest kept. */
  head(): { readonly seq: number; readonly oldest: number } {
    this.assertOpen();
    const { seq, oldest, time } = readState(this.trees.meta);
    this.#lastTime = Math.max(this.#lastTime, time);
    return { seq, oldest };
  }

  headOf(snapshot: Snapshot): number {
    return readState(this.trees.meta, snapshot).seq;
  }

  /** Makes commits of others visible from now on. */
  refresh(): void {
    this.root.resetReadTxn();
  }

  /**
   * Called before a read: makes everything visible that others had committed when the current callback of Node's loop
   * started.
   */
  freshen(): void {
    if (this.#isFresh) return;
    this.#isFresh = true;
    // The lmdb package would do this a millisecond later, but a message about the commit may already be here.
    this.root.resetReadTxn();
    nextTick(() => {
      this.#isFresh = false;
    });
  }

  /**
   * Holds the committed state until done() is called, the owner is collected, or the environment is closed; after that
   * nothing may be read through it. `purpose` and `place` describe the holder for warnings.
   */
  snapshot(owner: object, purpose: string, place: string | undefined): Hold {
    this.assertOpen();
    this.freshen();
    const transaction = this.#readTransaction();
    stopBeforeReads(transaction);
    const watch = this.#watch;
    const hold = new Hold(owner, transaction, { purpose, place }, watch.turn, this.#forget);
    watch.add(hold);
    return hold;
  }

  /** The place in the program where a snapshot is taken; undefined when it was looked up too often recently. */
  placeOfCall(): string | undefined {
    return this.#watch.place();
  }

  readonly #forget = (hold: Hold): void => this.#watch.delete(hold);

  #readTransaction(): Snapshot {
    try {
      return this.root.useReadTransaction();
    } catch (error) {
      if (/MDB_READERS_FULL/.test(String(error)) && this.#watch.reclaim()) return this.#readTransaction();
      throw storageError(error, this.path);
    }
  }

  assertOpen(): void {
    if (this.#references === 0)
      throw new ClosedError('the database is closed', { context: { node: this.path } });
  }

  assertWritable(): void {
    if (this.readOnly) throw new StorageError(`${this.path}: the database was opened read-only`);
  }

  checkSchemaVersion(version: number): void {
    if (version !== this.catalog.version) {
      throw new SchemaMismatchError(
        `${this.path}: another process has changed the schema; open the database again`,
      );
    }
  }

  /** The earliest expiry, as far as this thread knows. */
  get nextExpiry(): number {
    return this.#nextExpiry;
  }

  set nextExpiry(moment: number) {
    this.#nextExpiry = moment;
  }

  noteExpiry(moment: number): void {
    if (moment >= this.#nextExpiry) return;
    this.#nextExpiry = moment;
    this.#hasNewExpiry = true;
  }

  /** Calls back after a commit with an earlier expiry than any since the last call. */
  onExpiryNoted(listener: () => void): () => void {
    this.#expiryListeners.add(listener);
    return () => this.#expiryListeners.delete(listener);
  }

  /** Called when an LMDB write transaction is requested that this thread will execute. */
  beginWrite(): void {
    this.#writing += 1;
    const now = performanceNow();
    if (now - this.#readersChecked >= READERS_CHECK_MS) this.#checkReaders(now);
  }

  /** Without this check, pages read by a killed process would not be reused until somebody opens the file again. */
  #checkReaders(now: number): void {
    this.#readersChecked = now;
    try {
      this.root.readerCheck();
    } catch {
      // The commit itself reports what is wrong with the file.
    }
  }

  /** Called when the transaction is committed or rolled back. */
  endWrite(): void {
    this.#writing -= 1;
    if (this.#writing > 0) return;
    for (const resolve of this.#whenWritten.splice(0)) resolve();
  }

  /** Executes units in a write transaction. Writes submitted by a hook meanwhile must not become part of it. */
  execute(work: () => void): void {
    this.#isExecuting = true;
    try {
      work();
    } finally {
      this.#isExecuting = false;
    }
  }

  /** Runs `work` alone, after the writes under way; later writes wait until it has ended. */
  async exclusively(work: () => Promise<void>): Promise<void> {
    const before = this.#exclusive;
    this.#exclusive = (async () => {
      await before?.catch(() => {});
      // A write that shares LMDB's transaction with `work` would wait for it.
      if (this.#writing > 0) await new Promise<void>((resolve) => this.#whenWritten.push(resolve));
      await work();
    })();
    const mine = this.#exclusive;
    try {
      await mine;
    } finally {
      if (this.#exclusive === mine) this.#exclusive = undefined;
    }
  }

  /** Calls back when no exclusive work is running, which is usually at once. */
  whenFree(callback: () => void): void {
    if (this.#isExecuting) queueMicrotask(() => this.whenFree(callback));
    else if (this.#exclusive === undefined) callback();
    else void this.#exclusive.catch(() => {}).then(() => this.whenFree(callback));
  }

  /** Calls back when this thread has committed, or when another thread or process may have. */
  onMore(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#notifier?.listen();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#notifier?.ignore();
    };
  }

  /** Called when a write transaction of this thread is durable, with whether it had events. */
  committed(hasEvents: boolean): void {
    if (this.#hasNewExpiry) {
      this.#hasNewExpiry = false;
      for (const listener of this.#expiryListeners) listener();
    }
    if (!hasEvents) return;
    this.#notifier?.tell();
    this.wake();
  }

  wake(): void {
    for (const listener of this.#listeners) listener();
  }

  /**
   * Announces commits to other threads and processes and listens for theirs, by the timers of whoever opened the
   * environment first.
   */
  startNotifier(timers: Timers): void {
    if (this.isTemporary) return;
    if (this.#notifier === undefined) this.#notifier = new Notifier(this, timers);
  }

  /** Makes LMDB copy the committed state into the directory, in a separate thread. */
  async copy(directory: string, compact: boolean): Promise<void> {
    this.assertOpen();
    // The end of the process must not wait for the copy.
    beginCommit();
    const copy = this.root.backup(directory, compact).finally(endCommit);
    this.#copies.add(copy);
    try {
      await copy;
    } finally {
      this.#copies.delete(copy);
    }
  }

  /** Releases one share; the last release closes the environment. */
  async release(): Promise<void> {
    this.#references -= 1;
    if (this.#references > 0) return;
    open.delete(this.path);
    this.#watch.close();
    this.#notifier?.close();
    // A copy under way would read memory that is gone.
    await Promise.allSettled(this.#copies);
    await this.#opened.close();
    removeTemporary(this.path);
  }
}

function fileAt(path: string): string | undefined {
  const stats = statSync(join(path, DATA), { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`;
}

/** Writes to a replaced file would be lost with the last connection. */
function replaced(path: string): StorageError {
  return new StorageError(
    `${path}: ${DATA} was removed or replaced while this thread has it open: close what is open first`,
    { context: { node: path } },
  );
}

function checkSame(known: EnvironmentOptions, given: EnvironmentOptions): void {
  if (given.restored)
    throw invalidArgument('restored', 'restored: this thread has the directory open already');
  for (const name of ['durability', 'readOnly'] as const) {
    if (known[name] !== given[name])
      throw invalidArgument(name, `${name}: this thread has the directory open with ${name} ${known[name]}`);
  }
}
