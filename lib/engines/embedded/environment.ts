import { statSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgument } from '../../arguments';
import { ClosedError, EvenkeelError, SchemaMismatchError, StorageError } from '../../errors';
import type { EventBase } from '../../event-base/event-base';
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
  /** A directory; undefined for a database that ends with its last connection. */
  readonly path: string | undefined;
  readonly durability: 'commit' | 'none';
  readonly restored: boolean;
  readonly clock: () => number;
  readonly retention: Retention;
  /** ms. */
  readonly snapshotWarning: number;
}

/** How often it is looked, at most, whether those who read are still alive. */
const READERS_CHECK_MS = 100;

interface Trees {
  readonly meta: Tree;
  readonly plain: Tree;
  readonly expiry: Tree;
  readonly journal: Tree;
  /** Durable subscriptions, their parked events, and who wants the victims of deleteAll. */
  readonly subscriptions: Tree;
}

/** The open environments of this JavaScript thread: a directory opened twice is one, or its write locks would wait for each other. */
const open = new Map<string, Environment>();
/** Directories that are being opened; resolves when that has succeeded or failed. */
const opening = new Map<string, Promise<void>>();

/** An LMDB environment and what this package keeps in it; shared by all databases of a thread on one directory. */
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
  /** Which file its data are in, whatever lies at the path by now. */
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

  /** Opens the directory, or takes part in what this thread has open there. StorageError when it cannot be had. */
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
    // The lmdb package ends the names of trees with a zero.
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
    // Each by itself would be a transaction of this thread, and a worker that is terminated in one never ends.
    const { trees, epoch } = options.readOnly ? openTrees() : await writeTransaction(root, openTrees);
    return new Environment(path, opened, trees, epoch, new Catalog(root, trees, path), options);
  }

  get isTemporary(): boolean {
    return this.options.path === undefined;
  }

  /** ms since 1970, never less than at any commit that was seen. */
  now(): number {
    this.#lastTime = Math.max(this.#lastTime, this.clock());
    return this.#lastTime;
  }

  /** The number of the newest journalled transaction. */
  head(): { readonly seq: number; readonly oldest: number } {
    this.assertOpen();
    const { seq, oldest, time } = readState(this.trees.meta);
    this.#lastTime = Math.max(this.#lastTime, time);
    return { seq, oldest };
  }

  headOf(snapshot: Snapshot): number {
    return readState(this.trees.meta, snapshot).seq;
  }

  /** What others have committed is seen from now on. */
  refresh(): void {
    this.root.resetReadTxn();
  }

  /** Before a read: what others had committed when the current callback of Node's loop began is seen by it. */
  freshen(): void {
    if (this.#isFresh) return;
    this.#isFresh = true;
    // By itself the lmdb package does so a millisecond later, when a message of the other may be here already.
    this.root.resetReadTxn();
    nextTick(() => {
      this.#isFresh = false;
    });
  }

  /**
   * What is committed by now, held until done() of it, until the owner is collected or the environment is closed: nothing
   * may be read any more by way of it. For what it is held, in words, and where in the program.
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

  /** Where in the program something is begun that holds a snapshot; undefined when it was asked for too often lately. */
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
    if (this.readOnly) throw new StorageError(`${this.path}: the database was opened to be read only`);
  }

  checkSchemaVersion(version: number): void {
    if (version !== this.catalog.version) {
      throw new SchemaMismatchError(
        `${this.path}: another process has changed the schema; open the database again`,
      );
    }
  }

  /** The earliest moment of expiry there is, as far as this thread knows. */
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

  /** Calls back after a commit that wrote an earlier moment of expiry than any since the last call. */
  onExpiryNoted(listener: () => void): () => void {
    this.#expiryListeners.add(listener);
    return () => this.#expiryListeners.delete(listener);
  }

  /** A write transaction of LMDB is asked for, which this thread executes. */
  beginWrite(): void {
    this.#writing += 1;
    const now = performanceNow();
    if (now - this.#readersChecked >= READERS_CHECK_MS) this.#checkReaders(now);
  }

  /** What a process was reading that has been killed would not be given back to the file until somebody opens it. */
  #checkReaders(now: number): void {
    this.#readersChecked = now;
    try {
      this.root.readerCheck();
    } catch {
      // The commit itself says what is wrong with the file.
    }
  }

  /** It is committed or given up. */
  endWrite(): void {
    this.#writing -= 1;
    if (this.#writing > 0) return;
    for (const resolve of this.#whenWritten.splice(0)) resolve();
  }

  /** Executes units in a write transaction. What a hook in one of them submits is not to become part of it. */
  execute(work: () => void): void {
    this.#isExecuting = true;
    try {
      work();
    } finally {
      this.#isExecuting = false;
    }
  }

  /** Runs `work` alone, after the writes under way: what others would write waits until it has ended. */
  async exclusively(work: () => Promise<void>): Promise<void> {
    const before = this.#exclusive;
    this.#exclusive = (async () => {
      await before?.catch(() => {});
      // What shared LMDB's transaction with it would wait for it.
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

  /** Calls back once nobody is alone any more: at once, as a rule. */
  whenFree(callback: () => void): void {
    if (this.#isExecuting) queueMicrotask(() => this.whenFree(callback));
    else if (this.#exclusive === undefined) callback();
    else void this.#exclusive.catch(() => {}).then(() => this.whenFree(callback));
  }

  /** Calls back when something was committed by this thread, or may have been by another or another process. */
  onMore(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#notifier?.listen();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#notifier?.ignore();
    };
  }

  /** A write transaction of this thread is safe; whether it had events. */
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

  /** Has commits of others told to listeners, and others told of these; on the base of whoever opened it first. */
  startNotifier(base: EventBase): void {
    if (this.isTemporary) return;
    if (this.#notifier === undefined) this.#notifier = new Notifier(this, base);
  }

  /** Has LMDB copy what is committed by now into the directory, in a thread of its own. */
  async copy(directory: string, compact: boolean): Promise<void> {
    this.assertOpen();
    // The end of the process does not wait for it.
    beginCommit();
    const copy = this.root.backup(directory, compact).finally(endCommit);
    this.#copies.add(copy);
    try {
      await copy;
    } finally {
      this.#copies.delete(copy);
    }
  }

  /** Gives up one share; the last closes. */
  async release(): Promise<void> {
    this.#references -= 1;
    if (this.#references > 0) return;
    open.delete(this.path);
    this.#watch.close();
    this.#notifier?.close();
    // LMDB would read what is gone.
    await Promise.allSettled(this.#copies);
    await this.#opened.close();
    removeTemporary(this.path);
  }
}

function fileAt(path: string): string | undefined {
  const stats = statSync(join(path, DATA), { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`;
}

/** What would be written to it would be gone with the last connection. */
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
