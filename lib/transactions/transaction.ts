import { optionNames } from '../arguments';
import type { ClassDefinition } from '../schema/class';
import type { Records } from './records';
import type { Transactions } from './transactions';

export interface TransactionOptions {
  /**
   * How many times to run the function again when others have changed what it writes; then ConflictError. Default 10.
   */
  readonly retries?: number | undefined;
  /** Milliseconds for the commit, counted from the end of the function. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The name of the writer. Subscriptions can skip their own changes by it (`ignoreOrigin`). */
  readonly origin?: string | undefined;
  /** Delivered with the events of the transaction; any value that MessagePack can encode. */
  readonly meta?: unknown | undefined;
}

/** Also the options of prepare(). */
export const TRANSACTION_NAMES = optionNames<TransactionOptions>({
  retries: true,
  timeout: true,
  signal: true,
  origin: true,
  meta: true,
});

/**
 * A transaction under way. It reads the database as of its beginning plus its own writes. Its writes become visible to
 * others all at once. When others have changed what it writes, its function runs again.
 *
 * Operations started in it belong to it, whether awaited or not: after its function has returned, it waits for them and
 * fails if one of them fails. It rejects with ClosedError when a loop over records is unfinished, or when an operation
 * is started in it afterwards.
 */
export interface Transaction extends Transactions {
  records<C extends ClassDefinition>(definition: C): Records<C>;
  /** Emits a checkpoint event for each record changed since the last checkpoint; does not commit. */
  checkpoint(): Promise<void>;
}
