import type { EventBase, Registration } from '../../event-base/event-base';
import type { NativeClient } from '../../native/addon';
import * as layout from '../../native/layout';
import { nextTick } from '../../platform';

/** Has native code write at the end of each tick what was submitted in it. */
export class TickFlush {
  readonly #base: EventBase;
  readonly #native: NativeClient;
  readonly #isImplicit: boolean;
  #isScheduled = false;
  #watch: Registration | undefined;
  #isClosing = false;
  #ended = false;

  /** `isImplicit`: false leaves the writing to flush(). */
  constructor(base: EventBase, native: NativeClient, isImplicit: boolean) {
    this.#base = base;
    this.#native = native;
    this.#isImplicit = isImplicit;
  }

  /** Something was submitted. */
  schedule(): void {
    if (!this.#isScheduled) this.#begin();
  }

  // Apart, so that V8 inlines what is done for each operation.
  #begin(): void {
    this.#isScheduled = true;
    nextTick(flushAtEndOfTick, this);
    this.#watch ??= this.#base.timer(OVERDUE_MS, this.#onOverdue);
  }

  /** Writes all there is. */
  flush(): void {
    this.#native.flush(layout.FLUSH_ALL);
  }

  /** What was submitted so far waits for a flush() of the user's, and not for that of what continues a call. */
  hold(): void {
    if (!this.#isImplicit) this.#native.flush(layout.FLUSH_HOLD);
  }

  /** What continues a call under way was submitted: it needs no flush() of the user's. */
  flushContinued(): void {
    if (!this.#isImplicit) this.#native.flush(layout.FLUSH_STAGED);
  }

  /** Nobody will call flush() any more. */
  refuse(): void {
    this.#isClosing = true;
  }

  /** Writes what waits for the end of the tick, or for a flush(). */
  close(): void {
    this.refuse();
    if (this.#isScheduled || !this.#isImplicit) this.flush();
  }

  /** There is nothing to write to any more. */
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

  /** A nextTick that was somebody's fake when this package was loaded may never call back. */
  readonly #onOverdue = (): void => {
    this.#watch = undefined;
    if (this.#isScheduled) this.flushTick();
  };
}

/** ms after which what was submitted is sent although nobody has said that the tick is over. */
const OVERDUE_MS = 100;

const flushAtEndOfTick = (tick: TickFlush): void => tick.flushTick();
