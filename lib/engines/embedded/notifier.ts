import { closeSync, constants, type FSWatcher, fstatSync, openSync, watch, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../../errors';
import type { Registration, Timers } from '../../event-base/event-base';
import { setImmediate } from '../../platform';
import { checkStats, type FileOptions, makeFiles, WAKE } from './files';
import { storageError } from './lmdb';

/** The poll interval; bounds the delay of events when the system loses a notification. */
const POLL_MS = 1000;
const BYTE = Buffer.from([0]);

/** What the notifier announces, and whom it informs. */
export interface Watched {
  readonly path: string;
  readonly options: FileOptions;
  /** Makes commits of others visible from now on. */
  refresh(): void;
  /** The latest commit. */
  head(): { readonly seq: number };
  /** Calls the listeners. */
  wake(): void;
}

/**
 * Announces commits to other threads and processes, and hears of theirs. A notification is only a hint; the journal is
 * authoritative.
 */
export class Notifier {
  readonly #environment: Watched;
  readonly #path: string;
  readonly #timers: Timers;
  #descriptor: number | undefined;
  #watcher: FSWatcher | undefined;
  #timer: Registration | undefined;
  /** Listeners have been woken up to this commit. They learn of this thread's own commits in another way. */
  #seen = -1;
  #isScheduled = false;
  #isClosed = false;

  constructor(environment: Watched, timers: Timers) {
    this.#environment = environment;
    this.#timers = timers;
    this.#path = join(environment.path, WAKE);
    this.#openFile();
  }

  /** Notifies others; several calls in one turn are one notification. */
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
      // For example a full disk. Others find the commit a little later by polling.
    }
  }

  #poll(): void {
    if (this.#isClosed) return;
    if (this.#watcher === undefined) this.#watch();
    this.#timer = this.#timers.timer(POLL_MS, () => {
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
      // No watches left on this system, or no file yet in a read-only directory. Polling is enough.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Somebody removed or replaced the file, and others now watch the new one. */
  #renew(): void {
    if (this.#isClosed) return;
    this.#unwatch();
    this.#closeFile();
    try {
      this.#openFile();
    } catch {
      return; // and it cannot be created
    }
    this.#watch();
  }

  /** If this cannot be read, wake the listeners: they will get the error and can report it. */
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
