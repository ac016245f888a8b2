import { closeSync, type FSWatcher, openSync, watch, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { EventBase, Registration } from '../../event-base/event-base';
import type { Environment } from './environment';

/** A file beside the data that is written to after every commit with events: whoever listens watches it. */
const FILE = 'wake';
/** The net below the notification: one that the system loses delays events for no longer. */
const POLL_MS = 1000;
const BYTE = Buffer.from([0]);

/** Tells other threads and processes of commits, and hears of theirs. What it says is a hint: the journal is the truth. */
export class Notifier {
  readonly #environment: Environment;
  readonly #path: string;
  readonly #base: EventBase;
  #descriptor: number | undefined;
  #watcher: FSWatcher | undefined;
  #timer: Registration | undefined;
  #known = 0;
  #isScheduled = false;
  #isClosed = false;

  constructor(environment: Environment, base: EventBase) {
    this.#environment = environment;
    this.#base = base;
    this.#path = join(environment.path, FILE);
    this.#known = environment.head().seq;
    if (!environment.readOnly) this.#descriptor = openSync(this.#path, 'a');
  }

  /** Others are told. More than once in a turn is once. */
  tell(): void {
    if (this.#isScheduled || this.#descriptor === undefined) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#known = this.#environment.head().seq;
      try {
        if (this.#descriptor !== undefined) writeSync(this.#descriptor, BYTE, 0, 1, 0);
      } catch {
        // A full disk, for instance: others find it by themselves, a little later.
      }
    });
  }

  /** Calls the environment's listeners when others have committed, until ignore(). */
  listen(): void {
    if (this.#watcher !== undefined || this.#isClosed) return;
    try {
      this.#watcher = watch(this.#path, { persistent: false }, () => this.#look());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // No watches left on this system, or no file yet in a directory that is only read: the poll does it.
    }
    this.#poll();
  }

  ignore(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.ignore();
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #poll(): void {
    if (this.#isClosed || this.#base.closed) return;
    this.#timer = this.#base.timer(POLL_MS, () => {
      this.#look();
      this.#poll();
    });
  }

  #look(): void {
    if (this.#isClosed) return;
    this.#environment.refresh();
    const { seq } = this.#environment.head();
    if (seq === this.#known) return;
    this.#known = seq;
    this.#environment.wake();
  }
}
