import { optionNames } from '../arguments';
import type { ClassDefinition } from '../schema/class';
import type { Records } from './records';
import type { Transactions } from './transactions';

export interface TransactionOptions {
  /** How often it is begun anew when others have changed what it writes. Default 10; then ConflictError. */
  readonly retries?: number | undefined;
  /** ms within which it is committed once its function has ended. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Who writes: subscriptions can leave out what they cause themselves (`ignoreOrigin`). */
  readonly origin?: string | undefined;
  /** Told with its events; anything MessagePack can say. */
  readonly meta?: unknown | undefined;
}

/** Those of prepare() as well. */
export const TRANSACTION_NAMES = optionNames<TransactionOptions>({
  retries: true,
  timeout: true,
  signal: true,
  origin: true,
  meta: true,
});

/**
 * A transaction under way. It reads the database as it was when it began and what it has written itself; nothing that it
 * writes is seen by others before all of it is. When others have changed meanwhile what it writes, its function is run
 * again.
 *
 * What was begun in it belongs to it, awaited or not: once its function has ended, it waits for what is under way, and
 * fails with what fails then. It rejects with ClosedError when a loop over records has not come to its end, or when
 * something is begun in it afterwards.
 */
export interface Transaction extends Transactions {
  /** The records of a class, in this transaction. */
  records<C extends ClassDefinition>(definition: C): Records<C>;
  /** Emits a checkpoint event for each record that was changed since the last one; commits nothing. */
  checkpoint(): Promise<void>;
}
