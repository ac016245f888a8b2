import type { Hub } from './hub';
import { formatPosition } from './position';
import { isGap, type Pulled, type Source } from './puller';
import { Tail } from './tail';

const DONE = { done: true, value: undefined } as const;

/**
 * A pull-based stream of events, for `for await`. It is live from the call that created it. Leaving the loop closes it.
 * Closing the database ends the loop normally; a feed that has fallen too far behind ends with its error.
 */
export class Feed<E> implements AsyncIterableIterator<E>, AsyncDisposable {
  readonly #hub: Hub;
  readonly #tail: Tail;
  #queue: Pulled[] = [];
  #next = 0;
  #failure: { readonly error: unknown } | undefined;
  /** The number of pending next() calls; they are answered in order. */
  #waiting = 0;
  /** The position when it was closed. */
  #left: string | undefined;

  constructor(hub: Hub, source: Source) {
    this.#hub = hub;
    this.#tail = new Tail(hub, source, (reason) => {
      if (reason !== undefined) this.#failure = { error: reason };
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Everything up to here has been consumed; another subscription can start after it. */
  get position(): string {
    if (this.#left !== undefined) return this.#left;
    const { log } = this.#hub;
    const last = this.#queue[this.#next - 1];
    if (this.#next < this.#queue.length && last !== undefined) return isGap(last) ? last.to : last.position;
    return formatPosition(log.epoch, this.#tail.source.place);
  }

  get closed(): boolean {
    return this.#tail.isEnded;
  }

  next(): Promise<IteratorResult<E, undefined>> {
    const event = this.#waiting === 0 ? this.#take() : undefined;
    if (event !== undefined) return Promise.resolve({ done: false, value: event as E });
    this.#waiting += 1;
    return this.#wait().finally(() => {
      this.#waiting -= 1;
    });
  }

  async return(): Promise<IteratorResult<E, undefined>> {
    this.close();
    return DONE;
  }

  /** Ends the feed; no more events are delivered. */
  close(): void {
    this.#left ??= this.position;
    this.#tail.leave();
    this.#queue = [];
    this.#next = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** The event that next() would return, without waiting; for what is built on top of feeds. */
  #take(): Pulled | undefined {
    if (this.#next >= this.#queue.length) {
      if (this.#failure !== undefined || this.#tail.isEnded) return undefined;
      try {
        this.#queue = this.#tail.take();
      } catch (error) {
        this.#failure = { error };
        this.#tail.leave();
        return undefined;
      }
      this.#next = 0;
    }
    const event = this.#queue[this.#next];
    if (event !== undefined) this.#next += 1;
    return event;
  }

  async #wait(): Promise<IteratorResult<E, undefined>> {
    for (;;) {
      if (this.#failure !== undefined) {
        const { error } = this.#failure;
        this.#failure = undefined;
        throw error;
      }
      if (this.#tail.isEnded) return DONE;
      await this.#tail.more();
      const event = this.#take();
      if (event !== undefined) return { done: false, value: event as E };
    }
  }
}
