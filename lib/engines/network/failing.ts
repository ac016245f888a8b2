import { type EvenkeelError, TimeoutError } from '../../errors';
import type { NodeCounts } from '../../observability/stats';
import { withoutStack } from '../../stacks';
import type { Operation } from '../../transactions/operation';

/** An ended operation, and how to create its error. */
export interface Failure {
  readonly operation: Operation;
  readonly error: () => EvenkeelError;
  /** The counters of its server. */
  readonly counts: NodeCounts;
}

/**
 * Operations that will reject because nobody answered. They come in large numbers when a server fails, and each costs
 * as much as several successful ones. Therefore they are deferred, so that they do not delay operations that were
 * answered meanwhile.
 */
export class Failing {
  #failures: Failure[] = [];
  #next = 0;

  get size(): number {
    return this.#failures.length - this.#next;
  }

  add(failure: Failure): void {
    // The outcome is final; an abort until then must not change it.
    failure.operation.stopListening?.();
    this.#failures.push(failure);
  }

  /** Rejects the first operations, at most `most`. */
  fail(most: number): void {
    const end = Math.min(this.#failures.length, this.#next + Math.ceil(most));
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
