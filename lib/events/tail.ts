import { LARGEST_TIMEOUT } from '../arguments';
import { clearTimeout, setImmediate, setTimeout } from '../platform';
import type { Hub, Listener } from './hub';
import type { Pulled, Source } from './puller';

/** The stream of events of one subscription, until it ends. */
export class Tail implements Listener {
  readonly source: Source;
  readonly #hub: Hub;
  readonly #onEnd: (reason: unknown) => Promise<void> | void;
  #isEnded = false;
  /** Something was committed since the last look. */
  #hasMore = false;
  #wake: (() => void) | undefined;
  #waiting: Promise<void> | undefined;
  readonly #interrupts = new Set<() => void>();

  /** `onEnd` is called when the database ends the tail, not on leave(). */
  constructor(hub: Hub, source: Source, onEnd: (reason: unknown) => Promise<void> | void) {
    this.#hub = hub;
    this.source = source;
    this.#onEnd = onEnd;
    try {
      hub.join(this);
    } catch (error) {
      source.end?.();
      throw error;
    }
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether a look may find something. */
  get mayHaveMore(): boolean {
    return !this.source.isAtEnd || this.#hasMore;
  }

  /** The events available now; throws what the source throws. */
  take(): Pulled[] {
    this.#hasMore = false;
    return this.#isEnded ? [] : this.source.pull();
  }

  /** Resolves when there is more to take, or when it has ended. */
  async more(): Promise<void> {
    if (this.#isEnded) return;
    if (this.mayHaveMore) {
      await new Promise((resolve) => setImmediate(resolve)); // lets other callbacks run
      return;
    }
    // Several callers may wait; they resume in order.
    this.#waiting ??= new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await this.#waiting;
  }

  /** Resolves after `ms` milliseconds, or when it has ended. */
  pause(ms: number): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#interrupts.delete(end);
        resolve();
      };
      const timer = setTimeout(end, Math.min(ms, LARGEST_TIMEOUT));
      this.#interrupts.add(end);
    });
  }

  wake(): void {
    this.#hasMore = true;
    const wake = this.#wake;
    this.#wake = undefined;
    this.#waiting = undefined;
    wake?.();
  }

  leave(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#hub.leave(this);
    this.source.end?.();
    for (const interrupt of this.#interrupts) interrupt();
    this.wake();
  }

  async end(reason: unknown): Promise<void> {
    this.leave();
    await this.#onEnd(reason);
  }
}
