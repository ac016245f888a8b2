import { type EvenkeelError, TimeoutError } from '../../errors';
import type { NodeCounts } from '../../observability/stats';
import { withoutStack } from '../../stacks';
import type { Operation } from '../../transactions/operation';

/** An operation that has ended, and how its error is made. */
export interface Failure {
  readonly operation: Operation;
  readonly error: () => EvenkeelError;
  /** Where it counts. */
  readonly counts: NodeCounts;
}

/**
 * Operations that are to reject because nobody answered. They come in crowds, when a server goes, and each costs as much as
 * several that succeed: so they do not stand in the way of those that have been answered meanwhile.
 */
export class Failing {
  #failures: Failure[] = [];
  #next = 0;

  get size(): number {
    return this.#failures.length - this.#next;
  }

  add(failure: Failure): void {
    // Its outcome stands, whatever its signal does until then.
    failure.operation.stopListening?.();
    this.#failures.push(failure);
  }

  /** The first ones reject, at most so many. */
  fail(most: number): void {
    const end = Math.min(this.#failures.length, this.#next + most);
    while (this.#next < end) {
      fail(this.#failures[this.#next++] as Failure);
    }
    if (this.size > 0) return;
    this.#failures = [];
    this.#next = 0;
  }
}

export function fail({ operation, error: make, counts }: Failure): void {
  const error = withoutStack(make);
  if (error instanceof TimeoutError) counts.timeouts += 1;
  else counts.errors += 1;
  operation.fail(error);
}
