import type { Transport } from '../engines/engine';
import { BackpressureError, ClosedError, DiscardedError } from '../errors';
import { copyOf } from '../foreign';
import type { Observer } from '../observability/observer';
import { queueMicrotask } from '../platform';
import { onAbort, reasonOf } from '../transactions/abort';
import { type CollectionView, ScopeView } from '../transactions/collection';
import type { Compound } from '../transactions/compound';
import { type CollectionName, DEFAULT_NAME, type DocumentEngine } from '../transactions/documents';
import { countCall, observeMany, observeOperation } from '../transactions/observed';
import { nameOf, type Operation } from '../transactions/operation';
import type { Target } from '../transactions/target';
import { Transactions } from '../transactions/transactions';

/**
 * A group of operations that is sent as a whole or not at all. Each call checks and stages an operation and returns the
 * promise of its outcome. leave() hands all of them to the network in one batch, fail() discards them. Operations are
 * routed, and their deadlines start, at leave().
 *
 * A call that throws (bad key, closed database) stages nothing and keeps what was staged before. Contexts are
 * independent: any number may be open at the same time, across any number of ticks. After leave() or fail(), operations
 * throw ClosedError, and leave() and fail() do nothing.
 */
export class SchedulingContext extends Transactions {
  readonly #stage: Stage;

  constructor(transport: Transport, outcome: Outcome, observer: Observer) {
    const stage = new Stage(transport, outcome, observer);
    super(stage);
    this.#stage = stage;
  }

  /** A scope of the bucket: what is called on its collections is staged here. UnsupportedError on engines that have none. */
  scope(name: string): ScopeView {
    return new ScopeView(this.#stage, name);
  }

  /** A collection of the default scope, likewise. */
  collection(name: string): CollectionView {
    return this.scope(DEFAULT_NAME).collection(name);
  }

  /** The number of staged operations; each key of a getMany counts. */
  get size(): number {
    return this.#stage.size;
  }

  /**
   * Hands all staged operations to the network, or rejects all of them with BackpressureError when there is not enough
   * room.
   */
  leave(): void {
    this.#stage.leave();
  }

  /** Discards all staged operations; their promises reject with DiscardedError. */
  fail(): void {
    this.#stage.fail();
  }
}

/** Wraps a promise for the caller. */
type Outcome = <T>(promise: Promise<T>) => Promise<T>;

interface Staged {
  readonly op: string;
  readonly size: number;
  /** An upper bound of its share of the bytes that may be queued. */
  readonly bytes: number;
  readonly collection: CollectionName | undefined;
  readonly signal: AbortSignal | undefined;
  start(): void;
  reject(error: unknown): void;
  readonly promise: Promise<unknown>;
  stopListening?: () => void;
}

class Stage implements Target {
  readonly transcoder;
  readonly mayBeUnversioned;
  readonly withoutMeta;
  readonly #transport: Transport;
  readonly #outcome: Outcome;
  readonly #observer: Observer;
  readonly #staged = new Set<Staged>();
  #ended = false;

  constructor(transport: Transport, outcome: Outcome, observer: Observer) {
    this.#transport = transport;
    this.#outcome = outcome;
    this.#observer = observer;
    this.transcoder = transport.transcoder;
    this.mayBeUnversioned = transport.mayBeUnversioned;
    this.withoutMeta = transport.withoutMeta;
  }

  get size(): number {
    let size = 0;
    for (const staged of this.#staged) size += staged.size;
    return size;
  }

  now(): number {
    return this.#transport.now();
  }

  documents(feature: string): DocumentEngine {
    return this.#transport.documents(feature);
  }

  refused(op: string, key: unknown, error: unknown): void {
    this.#observer.refused({ op, key }, error);
  }

  dispatch<T>(operation: Operation): Promise<T> {
    countCall(this.#observer, operation);
    const hasEnded = this.#ended;
    let bytes = 0;
    const start = (): Promise<T> => {
      if (hasEnded) throw endedError();
      bytes = this.#transport.check(operation.key, operation.value, operation.collection);
      // The caller may reuse its memory as soon as the call has returned.
      if (typeof operation.value === 'object') operation.value = copyOf(operation.value);
      return operation.promise();
    };
    const promise = this.#outcome(
      this.#observer.isActive ? observeOperation(this.#observer, operation, start) : start(),
    );
    this.#add({
      op: nameOf(operation.kind),
      size: 1,
      bytes,
      collection: operation.collection,
      signal: operation.details?.signal,
      start: () => this.#transport.submit(operation),
      reject: (error) => operation.fail(error),
      promise,
    });
    return promise;
  }

  dispatchMany<R>(many: Compound<R>): Promise<R> {
    this.#observer.count(many.op);
    const hasEnded = this.#ended;
    let bytes = 0;
    const start = (): Promise<R> => {
      if (hasEnded) throw endedError();
      for (const key of many.keys) bytes += this.#transport.check(key, undefined, many.collection);
      return many.promise;
    };
    const promise = this.#outcome(
      this.#observer.isActive ? observeMany(this.#observer, many, start) : start(),
    );
    this.#add({
      op: many.op,
      size: many.size,
      bytes,
      collection: many.collection,
      signal: many.details?.signal,
      start: () => many.start(this.#transport),
      reject: (error) => many.discard(error),
      promise,
    });
    return promise;
  }

  leave(): void {
    const size = this.size;
    const staged = this.#end();
    const bytes = staged.reduce((sum, each) => sum + each.bytes, 0);
    if (!this.#transport.fits(size, bytes)) {
      const message = `maxInFlight, maxQueued and maxQueuedBytes leave no room for ${size} operations of ${bytes} bytes at once`;
      const { node } = this.#transport;
      for (const each of staged) {
        const context = { op: each.op, ...(node !== undefined && { node }) };
        discard(each, new BackpressureError(message, { context }));
      }
      return;
    }
    this.#transport.together(collectionsOf(staged), () => {
      for (const each of staged) {
        try {
          each.start();
        } catch (error) {
          discard(each, error); // what the call would throw now, for instance because the database was closed since
        }
      }
    });
  }

  fail(): void {
    for (const each of this.#end()) discard(each, new DiscardedError('the scheduling context failed'));
  }

  #end(): Staged[] {
    this.#ended = true;
    const staged = [...this.#staged];
    this.#staged.clear();
    for (const each of staged) each.stopListening?.();
    return staged;
  }

  /** An operation that is aborted while staged leaves the context. */
  #add(staged: Staged): void {
    const { signal } = staged;
    if (this.#ended) {
      discard(staged, endedError()); // a subscriber that was notified of the operation ended the context
      return;
    }
    if (signal?.aborted) {
      queueMicrotask(() => staged.reject(reasonOf(signal)));
      return;
    }
    this.#staged.add(staged);
    if (signal === undefined) return;
    staged.stopListening = onAbort(signal, (reason) => {
      this.#staged.delete(staged);
      staged.reject(reason);
    });
  }
}

function collectionsOf(staged: readonly Staged[]): CollectionName[] {
  const collections = new Map<string, CollectionName>();
  for (const { collection } of staged)
    if (collection !== undefined) collections.set(`${collection.scope}.${collection.name}`, collection);
  return [...collections.values()];
}

const endedError = (): ClosedError => new ClosedError('the scheduling context has ended');

/** Nobody has to handle the rejection, because the code that ends the context knows. */
function discard(staged: Staged, error: unknown): void {
  staged.promise.catch(() => {});
  staged.reject(error);
}
