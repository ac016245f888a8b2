import type { Transport } from '../engines/engine';
import { BackpressureError, ClosedError, DiscardedError } from '../errors';
import type { GetMany } from '../transactions/get-many';
import type { Operation } from '../transactions/operation';
import { type Target, Transactions } from '../transactions/transactions';

/**
 * Operations that leave together or not at all. They are checked and staged by their calls, which return the promises
 * of their outcomes; leave() hands all of them to the network in one run, fail() discards them. Nothing is routed
 * before leave(), and deadlines count from there.
 *
 * A call that throws (a bad key, a closed database) stages nothing, and what was staged before stays. Contexts are
 * independent: any number may be open at once, across any number of ticks. One that has left or failed has ended: its
 * operations throw ClosedError, its leave() and fail() do nothing.
 */
export class SchedulingContext extends Transactions {
  readonly #stage: Stage;

  constructor(transport: Transport) {
    const stage = new Stage(transport);
    super(stage);
    this.#stage = stage;
  }

  /** How many operations are staged; a getMany counts each of its keys. */
  get size(): number {
    return this.#stage.size;
  }

  /** Hands everything staged to the network; rejects all of it with BackpressureError when there is no room for all. */
  leave(): void {
    this.#stage.leave();
  }

  /** Discards everything staged: the promises reject with DiscardedError. */
  fail(): void {
    this.#stage.fail();
  }
}

interface Staged {
  readonly size: number;
  start(): void;
  /** Rejects the promise; nobody has to be listening, because whoever ends the context knows. */
  discard(error: unknown): void;
}

class Stage implements Target {
  readonly transcoder;
  readonly #transport: Transport;
  readonly #staged = new Set<Staged>();
  #ended = false;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.transcoder = transport.transcoder;
  }

  get size(): number {
    let size = 0;
    for (const staged of this.#staged) size += staged.size;
    return size;
  }

  dispatch<T>(operation: Operation): Promise<T> {
    this.#assertOpen();
    this.#transport.check(operation.key, operation.value);
    const promise = operation.promise<T>();
    const staged: Staged = {
      size: 1,
      start: () => {
        operation.stopListening?.();
        this.#transport.submit(operation);
      },
      discard: (error) => {
        promise.catch(() => {});
        operation.fail(error);
      },
    };
    this.#staged.add(staged);
    this.#heed(operation, staged);
    return promise;
  }

  dispatchMany<T>(many: GetMany<T>): Promise<Map<string, T>> {
    this.#assertOpen();
    for (const key of many.keys) this.#transport.check(key, undefined);
    this.#staged.add({
      size: many.keys.length,
      start: () => many.start(this.#transport),
      discard: (error) => {
        many.promise.catch(() => {});
        many.discard(error);
      },
    });
    return many.promise;
  }

  leave(): void {
    const size = this.size;
    const staged = this.#end();
    if (size > this.#transport.available()) {
      const error = new BackpressureError(
        `maxInFlight and maxQueued leave no room for ${size} operations at once`,
      );
      for (const each of staged) each.discard(error);
      return;
    }
    for (const each of staged) {
      try {
        each.start();
      } catch (error) {
        each.discard(error); // what the call would throw by now: the database was closed since, for instance
      }
    }
  }

  fail(): void {
    for (const each of this.#end()) each.discard(new DiscardedError('the scheduling context failed'));
  }

  #end(): Staged[] {
    this.#ended = true;
    const staged = [...this.#staged];
    this.#staged.clear();
    return staged;
  }

  /** An operation aborted while it is staged leaves the context. */
  #heed(operation: Operation, staged: Staged): void {
    const signal = operation.details?.signal;
    if (signal === undefined) return;
    const withdraw = (): void => {
      this.#staged.delete(staged);
      operation.fail(signal.reason);
    };
    if (signal.aborted) {
      this.#staged.delete(staged);
      process.nextTick(withdraw);
      return;
    }
    signal.addEventListener('abort', withdraw, { once: true });
    operation.stopListening = () => {
      operation.stopListening = undefined;
      signal.removeEventListener('abort', withdraw);
    };
  }

  #assertOpen(): void {
    if (this.#ended) throw new ClosedError('the scheduling context has ended');
  }
}
