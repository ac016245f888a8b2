import { ClosedError } from '../errors';
import type { EventBase } from '../event-base/event-base';
import { setImmediate } from '../platform';
import type { ChangeLog, Place } from './change-log';
import { WHOLE } from './change-log';

/** Is woken when there may be more events, and ended with the database. */
export interface Listener {
  wake(): void;
  /**
   * `reason` is undefined when the user closed the database. Resolves when nothing of the listener is running any more.
   */
  end(reason: unknown): Promise<void>;
}

/** The live subscriptions of a database on one event base. */
export class Hub {
  readonly log: ChangeLog;
  readonly #base: EventBase;
  readonly #listeners = new Set<Listener>();
  /** Ended listeners that are still running. */
  readonly #ending = new Set<Listener>();
  #stop: (() => void) | undefined;
  #isScheduled = false;
  /** Why no more listeners are accepted. */
  #ended: string | undefined;

  constructor(log: ChangeLog, base: EventBase) {
    this.log = log;
    this.#base = base;
  }

  /** The place after everything committed so far. */
  now(): Place {
    return { seq: this.log.head().seq, index: WHOLE };
  }

  /** Wakes the listener until it leaves, and keeps the process alive meanwhile. Throws ClosedError after the end. */
  join(listener: Listener): void {
    // Somebody else may have the same directory open, and with it the log.
    if (this.#ended !== undefined) throw new ClosedError(this.#ended);
    this.#stop ??= this.#start();
    this.#listeners.add(listener);
    this.#base.ref();
  }

  leave(listener: Listener): void {
    if (!this.#listeners.delete(listener)) return;
    this.#base.unref();
    if (this.#listeners.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** Throws ClosedError when the base is closed. A later close of the base ends all listeners. */
  #start(): () => void {
    const onClosed = (): void => {
      void this.end(new ClosedError('its event base was closed'));
    };
    this.#base.attach(onClosed);
    const ignore = this.log.onMore(() => this.#schedule());
    return () => {
      ignore();
      this.#base.release(onClosed);
    };
  }

  /** Also ends those that are ending already: one of them may be the caller, and the first call waits for it. */
  async end(reason: unknown): Promise<void> {
    this.#ended ??= reason instanceof ClosedError ? reason.message : 'the database is closed';
    for (const each of this.#listeners) this.#ending.add(each);
    await Promise.all(
      [...this.#ending].map(async (each) => {
        await each.end(reason);
        this.#ending.delete(each);
      }),
    );
  }

  /** In a separate turn, so that the promise of a commit resolves before its events are delivered. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      for (const each of this.#listeners) each.wake();
    });
  }
}
