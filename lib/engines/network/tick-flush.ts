import type { EventBase, Registration } from '../../event-base/event-base';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { nextTick } from '../../platform';

/** Makes native code write, at the end of each tick, what was submitted in it. */
export class TickFlush {
  readonly #base: EventBase;
  readonly #native: NativeClient;
  readonly #isImplicit: boolean;
  #isScheduled = false;
  #watch: Registration | undefined;
  #isClosing = false;
  #ended = false;

  /** `isImplicit`: false leaves writing to flush(). */
  constructor(base: EventBase, native: NativeClient, isImplicit: boolean) {
    this.#base = base;
    this.#native = native;
    this.#isImplicit = isImplicit;
  }

  /** Called when something was submitted. */
  schedule(): void {
    if (!this.#isScheduled) this.#begin();
  }

  // A separate function, so that V8 inlines the code for each operation.
  #begin(): void {
    this.#isScheduled = true;
    nextTick(flushAtEndOfTick, this);
    this.#watch ??= this.#base.timer(OVERDUE_MS, this.#onOverdue);
  }

  /** Writes everything. */
  flush(): void {
    this.#native.flush(layout.FLUSH_ALL);
  }

  /** Marks what was submitted so far as waiting for the user's flush(), so that a continued call does not write it. */
  hold(): void {
    if (!this.#isImplicit) this.#native.flush(layout.FLUSH_HOLD);
  }

  /** Called when a call under way has submitted more, which does not wait for the user's flush(). */
  flushContinued(): void {
    if (!this.#isImplicit) this.#native.flush(layout.FLUSH_STAGED);
  }

  /** Called when flush() cannot be called any more. */
  refuse(): void {
    this.#isClosing = true;
  }

  /** Writes what waits for the end of the tick or for flush(). */
  close(): void {
    this.refuse();
    if (this.#isScheduled || !this.#isImplicit) this.flush();
  }

  /** Called when the client is gone. */
  end(): void {
    this.#ended = true;
    this.#watch?.cancel();
  }

  /** Called once at the end of each tick in which something was submitted. */
  flushTick(): void {
    this.#isScheduled = false;
    const write = this.#isImplicit || this.#isClosing;
    if (!this.#ended) this.#native.flush(write ? layout.FLUSH_ALL : layout.FLUSH_HOLD);
  }

  /** If nextTick was already a fake when this package was loaded, it may never call back. */
  readonly #onOverdue = (): void => {
    this.#watch = undefined;
    if (this.#isScheduled) this.flushTick();
  };
}

/** After this many ms, submitted operations are written even if the end of the tick was not reported. */
const OVERDUE_MS = 100;

const flushAtEndOfTick = (tick: TickFlush): void => tick.flushTick();
