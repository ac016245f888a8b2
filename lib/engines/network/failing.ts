import type { NodeCounts } from '../../observability/stats';
import { performanceNow } from '../../platform';
import type { Operation } from '../../transactions/operation';

/** An operation that ended without an answer, as its record has it. */
export interface Failure {
  readonly operation: Operation;
  /** The whole word of the record. */
  readonly outcome: number;
  /** RECORD_DETAIL. */
  readonly cause: number;
  /** RECORD_FLAGS. */
  readonly announced: number;
  readonly late: boolean;
  /** Of its server at that time: the name, the counters, and why there is no connection. */
  readonly node: string;
  readonly counts: NodeCounts;
  readonly fault: Error | undefined;
}

/**
 * Operations that will reject because nobody answered. They come in large numbers when a server fails, and each costs
 * as much as several successful ones. Therefore they are deferred, so that they do not delay operations that were
 * answered meanwhile.
 */
export class Failing {
  readonly #reject: (failure: Failure) => void;
  #failures: Failure[] = [];
  #next = 0;

  constructor(reject: (failure: Failure) => void) {
    this.#reject = reject;
  }

  get size(): number {
    return this.#failures.length - this.#next;
  }

  add(failure: Failure): void {
    // The outcome is final; an abort until then must not change it.
    failure.operation.stopListening?.();
    this.#failures.push(failure);
  }

  /** Rejects the first `few` operations, and then further ones for at most `ms`. */
  fail(few: number, ms: number): void {
    const begun = performanceNow();
    for (let left = few; this.size > 0; left = AT_ONCE) {
      const end = Math.min(this.#failures.length, this.#next + left);
      while (this.#next < end) this.#reject(this.#failures[this.#next++] as Failure);
      if (performanceNow() - begun >= ms) break;
    }
    if (this.size > 0) return;
    this.#failures = [];
    this.#next = 0;
  }

  failAll(): void {
    this.fail(this.size, 0);
  }
}

/** Between two looks at the clock. */
const AT_ONCE = 16;
