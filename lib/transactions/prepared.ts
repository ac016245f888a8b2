import type { TransactionOptions } from './transaction';

export interface PrepareOptions extends Omit<TransactionOptions, 'timeout'> {
  /** Milliseconds after preparation until an undecided transaction is rolled back. Default 5000. */
  readonly timeout?: number | undefined;
  /** Cancels the transaction until it is prepared. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A transaction after its first phase: everything is written and checked, and nothing is visible. Until it is committed
 * or rolled back, no other write can proceed: it waits for the second phase or for its own timeout, and so does a read
 * of a record being written. Read-only transactions do not wait. Disposing of an undecided transaction rolls it back.
 */
export interface PreparedTransaction<R> extends AsyncDisposable {
  /** The result of the function. */
  readonly result: R;
  /**
   * Resolves when it is committed, with the safety of the database's durability. TimeoutError when it came too late,
   * ClosedError when the database was closed or the transaction has already been decided, StorageError when the disk
   * fails.
   */
  commit(): Promise<void>;
  /** Resolves when nothing is left of it. ClosedError when it has already been decided. */
  rollback(): Promise<void>;
}
