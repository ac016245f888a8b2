import type { Feed } from './feed';
import type { TransactionInfo } from './types';

/** A transaction with those of its events that a subscription sees. */
export interface TransactionOfEvents<E> extends Omit<TransactionInfo, 'index' | 'last'> {
  /** Iterate over them before requesting the next transaction, which skips the rest. */
  readonly events: AsyncIterable<E>;
}

/** A pull-based stream of transactions. Leaving the loop closes it. */
export interface TransactionFeed<E> extends AsyncIterableIterator<TransactionOfEvents<E>>, AsyncDisposable {
  readonly position: string;
  close(): void;
}

interface Told {
  readonly transaction: TransactionInfo;
}

/** The same feed, grouped by transaction. */
export function transactionsOf<E>(feed: Feed<E>): TransactionFeed<E> {
  return new Grouped(feed as unknown as Feed<E & Told>) as TransactionFeed<E>;
}

class Grouped<E extends Told> implements TransactionFeed<E> {
  readonly #feed: Feed<E>;
  /** The current transaction, while some of its events may be left. */
  #open: bigint | undefined;

  constructor(feed: Feed<E>) {
    this.#feed = feed;
  }

  get position(): string {
    return this.#feed.position;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<TransactionOfEvents<E>, undefined>> {
    let first = await this.#feed.next();
    while (!first.done && this.#open !== undefined) {
      if (first.value.transaction.last) this.#open = undefined;
      first = await this.#feed.next();
    }
    if (first.done) return { done: true, value: undefined };
    const event = first.value;
    const { index: _index, last, ...info } = event.transaction;
    this.#open = last ? undefined : info.seq;
    return { done: false, value: { ...info, events: this.#eventsFrom(event) } };
  }

  async return(): Promise<IteratorResult<TransactionOfEvents<E>, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  close(): void {
    this.#feed.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async *#eventsFrom(first: E): AsyncGenerator<E, void, undefined> {
    yield first;
    if (first.transaction.last) return;
    const { seq } = first.transaction;
    // Events of the next transaction must not go to an iterator of this one.
    while (this.#open === seq) {
      const next = await this.#feed.next();
      if (next.done) return;
      if (next.value.transaction.last) this.#open = undefined;
      yield next.value;
    }
  }
}
