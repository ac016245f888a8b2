import { BackpressureError, ConnectionError, TimeoutError } from '../errors';
import { clearTimeout, queueMicrotask, setTimeout } from '../platform';
import { onAbort, reasonOf } from './abort';
import type { Compound, Submitter, Waiting } from './compound';
import type { CollectionName } from './documents';
import type { Gathering } from './gathering';
import { type Collector, type Details, Kind, Operation } from './operation';

/**
 * Many gets with one outcome. It starts as many as the client has room for and the others as room becomes free, so a
 * call of any size respects the same limits as single operations.
 */
export class GetMany<R> implements Collector, Compound<R>, Waiting {
  readonly op = 'getMany';
  collection: CollectionName | undefined = undefined;
  readonly #gathering: Gathering<R>;
  readonly #operations: Operation[] = [];
  readonly #details: Details | undefined;
  #submitter: Submitter | undefined;
  #started = 0;
  #finished = 0;
  #hits = 0;
  #settled = false;
  #deadline: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;
  #resolve: (result: R) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  readonly #promise: Promise<R>;

  constructor(
    readonly keys: readonly string[],
    readonly details: Details | undefined,
    gathering: Gathering<R>,
  ) {
    this.#gathering = gathering;
    // One listener for the whole call instead of one for each key.
    this.#details = details?.signal === undefined ? details : { ...details, signal: undefined };
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get size(): number {
    return this.keys.length;
  }

  get promise(): Promise<R> {
    return this.#promise;
  }

  /** The number of keys found so far. */
  get hits(): number {
    return this.#hits;
  }

  /** Starts as many gets as there is room for. Throws the error of the first bad key before anything has started. */
  start(submitter: Submitter): void {
    this.#submitter = submitter;
    const signal = this.details?.signal;
    if (signal?.aborted) {
      queueMicrotask(() => this.discard(reasonOf(signal)));
      return;
    }
    if (this.keys.length === 0) {
      this.#conclude();
      return;
    }
    const room = Math.max(1, submitter.available());
    for (let i = room; i < this.keys.length; i += 1)
      submitter.check(this.keys[i] as string, undefined, this.collection);
    if (signal !== undefined) this.#stopListening = onAbort(signal, (reason) => this.discard(reason));
    try {
      this.#startNext(submitter, room);
    } catch (error) {
      if (this.#settled) return; // a transcoder closed the database during its reads: the promise rejects
      this.#stopListening?.();
      this.#withdraw();
      throw error;
    }
    if (this.#settled) return; // the reads were answered at once
    if (this.#started < this.keys.length) {
      submitter.wait(this);
      const timeout = this.details?.timeout ?? submitter.timeout;
      this.#deadline = setTimeout(() => this.giveUp(timeoutError()), timeout);
    }
  }

  proceed(): void {
    const submitter = this.#submitter;
    if (submitter === undefined || this.#settled) return;
    const room = submitter.available();
    const waiting = this.keys.length - this.#started;
    // Refills a quarter at a time: refilling one by one would cost a write each.
    const enough = Math.min(waiting, Math.max(1, (this.#started - this.#finished) >> 2));
    if (room < enough) return;
    try {
      this.#startNext(submitter, room);
    } catch (error) {
      this.giveUp(error);
      return;
    }
    if (this.#started === this.keys.length) submitter.stopWaiting(this);
  }

  add(operation: Operation, value: unknown): void {
    this.#finished += 1;
    if (this.#settled) return;
    if (value !== undefined) this.#hits += 1;
    this.#gathering.add(operation.key, value);
    this.#checkEnd();
  }

  fail(operation: Operation, error: unknown): void {
    this.#finished += 1;
    if (this.#settled) return;
    if (this.#gathering.failed === undefined) {
      this.discard(error);
      return;
    }
    this.#gathering.failed(operation.key, error);
    this.#checkEnd();
  }

  giveUp(error: unknown): void {
    if (this.#settled) return;
    if (this.#gathering.failRest === undefined) {
      this.discard(error);
      return;
    }
    this.#gathering.failRest(error);
    this.#conclude();
  }

  /** Rejects, and cancels what is under way. */
  discard(error: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
  }

  #checkEnd(): void {
    if (this.#finished === this.keys.length) this.#conclude();
  }

  #conclude(): void {
    this.#settle();
    this.#resolve(this.#gathering.result);
  }

  #startNext(submitter: Submitter, room: number): void {
    const end = Math.min(this.keys.length, this.#started + room);
    for (; this.#started < end && !this.#settled; this.#started += 1) {
      const key = this.keys[this.#started] as string;
      const operation = new Operation(Kind.get, key, undefined, this.#details, this);
      operation.collection = this.collection;
      try {
        submitter.submit(operation);
      } catch (error) {
        if (!(error instanceof BackpressureError || error instanceof ConnectionError)) throw error;
        // One server may be at its limit while others still have room.
        if (this.#gathering.failed !== undefined && submitter.available() > 0) {
          this.fail(operation, error);
          continue;
        }
        if (this.#started === 0) throw error;
        return;
      }
      this.#operations.push(operation);
    }
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#deadline);
    this.#stopListening?.();
    if (this.#finished < this.#started) this.#withdraw();
    this.#submitter?.stopWaiting(this);
  }

  #withdraw(): void {
    for (const operation of this.#operations) this.#submitter?.cancel(operation);
  }
}

function timeoutError(): TimeoutError {
  return new TimeoutError('getMany: not every key was answered within its deadline', {
    context: { op: 'getMany' },
  });
}
