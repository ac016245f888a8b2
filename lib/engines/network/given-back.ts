import type { Operation } from '../../transactions/operation';
import type { Connector } from './connector';

/** Of one server. */
interface Returned {
  readonly ready: Operation[];
  /** They wait for a flush() of the user's. */
  readonly withheld: Operation[];
}

/** How operations are submitted again. */
export interface Resubmission {
  /** Throws what submitting throws. */
  submit(operation: Operation): void;
  /** What `submitAll` submits continues calls under way: it does not wait for the user's flush(). */
  resume(submitAll: () => void): void;
  /** The same for the server from which it was returned. `submitWithheld`: does wait for it. */
  resumeAt(server: Connector, submitReady: () => void, submitWithheld: () => void): void;
}

/** The operations that native code gave back, until they are submitted again. */
export class GivenBack {
  #lost: Operation[] = [];
  #next = 0;
  #returned = new Map<Connector, Returned>();
  #returnedCount = 0;

  get size(): number {
    return this.#lost.length - this.#next + this.#returnedCount;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** A read whose connection broke, an operation that another one depends on, or one whose partition has another number now. */
  addLost(operation: Operation): void {
    this.#lost.push(operation);
  }

  /** It was not written, and is to be encoded in another protocol. The order matters. */
  addReturned(operation: Operation, server: Connector, isWithheld: boolean): void {
    const returned = this.#returned.get(server) ?? { ready: [], withheld: [] };
    this.#returned.set(server, returned);
    (isWithheld ? returned.withheld : returned.ready).push(operation);
    this.#returnedCount += 1;
  }

  /** Submits all that were returned, in their order, and at most so many of the lost ones. */
  resubmit(mostLost: number, how: Resubmission): void {
    const lost = this.#takeLost(mostLost);
    if (lost.length > 0) how.resume(() => submitAll(lost, how));
    for (const [server, { ready, withheld }] of this.#takeReturned())
      how.resumeAt(
        server,
        () => submitAll(ready, how),
        () => submitAll(withheld, how),
      );
  }

  /** Nothing is submitted any more. */
  giveUp(fail: (operation: Operation) => void): void {
    for (const operation of this.#takeLost(Number.POSITIVE_INFINITY)) fail(operation);
    for (const { ready, withheld } of this.#takeReturned().values())
      for (const operation of [...ready, ...withheld]) fail(operation);
  }

  #takeLost(most: number): Operation[] {
    const taken = this.#lost.slice(this.#next, this.#next + most);
    this.#next += taken.length;
    if (this.#next === this.#lost.length) {
      this.#lost = [];
      this.#next = 0;
    }
    return taken;
  }

  #takeReturned(): ReadonlyMap<Connector, Returned> {
    const returned = this.#returned;
    this.#returned = new Map();
    this.#returnedCount = 0;
    return returned;
  }
}

function submitAll(operations: readonly Operation[], how: Resubmission): void {
  for (const operation of operations) {
    try {
      how.submit(operation);
    } catch (error) {
      operation.fail(error);
    }
  }
}
