import { closeSync, constants, type FSWatcher, fstatSync, openSync, watch, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../../errors';
import type { EventBase, Registration } from '../../event-base/event-base';
import { setImmediate } from '../../platform';
import { checkStats, type FileOptions, makeFiles, WAKE } from './files';
import { storageError } from './lmdb';

/** The net below the notification: one that the system loses delays events for no longer. */
const POLL_MS = 1000;
const BYTE = Buffer.from([0]);

/** What is told of, and who hears of it. */
export interface Watched {
  readonly path: string;
  readonly options: FileOptions;
  /** What others have committed by now is read from now on. */
  refresh(): void;
  /** The last commit. */
  head(): { readonly seq: number };
  /** Calls those who listen. */
  wake(): void;
}

/** Tells other threads and processes of commits, and hears of theirs. What it says is a hint: the journal is the truth. */
export class Notifier {
  readonly #environment: Watched;
  readonly #path: string;
  readonly #base: EventBase;
  #descriptor: number | undefined;
  #watcher: FSWatcher | undefined;
  #timer: Registration | undefined;
  /** Up to here listeners have been woken from here; of this thread's own commits they hear without. */
  #seen = -1;
  #isScheduled = false;
  #isClosed = false;

  constructor(environment: Watched, base: EventBase) {
    this.#environment = environment;
    this.#base = base;
    this.#path = join(environment.path, WAKE);
    this.#openFile();
  }

  /** Others are told. More than once in a turn is once. */
  tell(): void {
    if (this.#isScheduled || this.#descriptor === undefined) return;
    this.#isScheduled = true;
    setImmediate(() => this.#write());
  }

  /** Calls the environment's listeners when others have committed, until ignore(). */
  listen(): void {
    if (this.#timer === undefined) this.#poll();
  }

  ignore(): void {
    this.#unwatch();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  close(): void {
    this.#write();
    this.#isClosed = true;
    this.ignore();
    this.#closeFile();
  }

  #openFile(): void {
    const { path, options } = this.#environment;
    if (options.readOnly) return;
    const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    try {
      const flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
      this.#descriptor = makeFiles(path, options, () => openSync(this.#path, flags, options.mode));
      checkStats(fstatSync(this.#descriptor), path, WAKE, options);
    } catch (error) {
      this.#closeFile();
      throw error instanceof StorageError ? error : storageError(error, path);
    }
  }

  #closeFile(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #write(): void {
    if (!this.#isScheduled || this.#isClosed || this.#descriptor === undefined) return;
    this.#isScheduled = false;
    try {
      writeSync(this.#descriptor, BYTE, 0, 1, 0);
    } catch {
      // A full disk, for instance: others find it by themselves, a little later.
    }
  }

  #poll(): void {
    if (this.#isClosed || this.#base.closed) return;
    if (this.#watcher === undefined) this.#watch();
    this.#timer = this.#base.timer(POLL_MS, () => {
      this.#look();
      this.#poll();
    });
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.#path, { persistent: false }, (type) => {
        if (type === 'rename') this.#renew();
        this.#look();
      });
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      // No watches left on this system, or no file yet in a directory that is only read: the poll does it.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Somebody has removed or replaced the file: others watch the one that is there now. */
  #renew(): void {
    if (this.#isClosed) return;
    this.#unwatch();
    this.#closeFile();
    try {
      this.#openFile();
    } catch {
      return; // nor can there be one
    }
    this.#watch();
  }

  /** Where that cannot be read, those who listen find out why, and have somebody to tell. */
  #hasMore(): boolean {
    try {
      this.#environment.refresh();
      const { seq } = this.#environment.head();
      if (seq === this.#seen) return false;
      this.#seen = seq;
    } catch {
      this.#seen = -1;
    }
    return true;
  }

  #look(): void {
    if (this.#isClosed || !this.#hasMore()) return;
    this.#environment.wake();
  }
}
