import { ClosedError } from '../errors';
import type { EventBase } from '../event-base/event-base';
import { setImmediate } from '../platform';
import type { ChangeLog, Place } from './change-log';
import { WHOLE } from './change-log';

/** What hears that there may be more, and is ended with the database. */
export interface Listener {
  wake(): void;
  /** `reason`: undefined when the database is closed, as somebody wished. Resolves when nothing of it runs any more. */
  end(reason: unknown): Promise<void>;
}

/** The live subscriptions of a database on one event base. */
export class Hub {
  readonly log: ChangeLog;
  readonly #base: EventBase;
  readonly #listeners = new Set<Listener>();
  /** Those that have been ended, and of which something runs still. */
  readonly #ending = new Set<Listener>();
  #stop: (() => void) | undefined;
  #isScheduled = false;
  /** Why there are no listeners any more. */
  #ended: string | undefined;

  constructor(log: ChangeLog, base: EventBase) {
    this.log = log;
    this.#base = base;
  }

  /** After all that is committed by now. */
  now(): Place {
    return { seq: this.log.head().seq, index: WHOLE };
  }

  /** Has the listener woken until it leaves; meanwhile the process is kept alive. ClosedError after the end. */
  join(listener: Listener): void {
    // Somebody else may have the same directory open, and so the log.
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

  /** ClosedError when the base is closed; when that happens later, it ends all there are. */
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

  /** Again for those that are ending: one of them may be the caller by now, for which the first call waits. */
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

  /** In a turn of its own: whoever waited for the commit has been told of it before. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      for (const each of this.#listeners) each.wake();
    });
  }
}
