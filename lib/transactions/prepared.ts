import type { TransactionOptions } from './transaction';

export interface PrepareOptions extends Omit<TransactionOptions, 'timeout'> {
  /** ms within which it is decided once it is prepared; then it is rolled back. Default 5000. */
  readonly timeout?: number | undefined;
  /** Gives it up as long as it is not prepared. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A transaction whose first phase is done: everything is written and checked, and nobody sees it. Until it is decided,
 * nobody else can write: a write that is waited for between the two phases waits for the second, or its own timeout, and
 * so does a read of what is being written. A transaction that only reads waits for nobody.
 * Disposing of it rolls back what is undecided.
 */
export interface PreparedTransaction<R> extends AsyncDisposable {
  /** What its function returned. */
  readonly result: R;
  /**
   * Resolves when it is committed, as safe as the database's durability says. TimeoutError when it was too late, ClosedError
   * when the database was closed before or it has been decided already; StorageError when the disk fails.
   */
  commit(): Promise<void>;
  /** Resolves when nothing is left of it; ClosedError when it has been decided already. */
  rollback(): Promise<void>;
}
