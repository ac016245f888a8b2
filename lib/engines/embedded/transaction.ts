import { pack, unpack } from 'msgpackr';
import { invalidArgument, shown } from '../../arguments';
import { ClosedError, ConflictError } from '../../errors';
import { delay, random } from '../../platform';
import type { ClassDefinition } from '../../schema/class';
import type { PreparedTransaction, PrepareOptions } from '../../transactions/prepared';
import type { Records } from '../../transactions/records';
import type { Transaction as PublicTransaction, TransactionOptions } from '../../transactions/transaction';
import { Transactions } from '../../transactions/transactions';
import type { TransactionMarks } from './change';
import type { ClassStore } from './class-store';
import type { Environment } from './environment';
import type { Overlay } from './overlay';
import { HeldTransaction } from './prepared';
import { EmbeddedRecords, timingOf } from './records';
import { Stage, type StageSurroundings } from './stage';
import type { WriteBatch } from './write-batch';
import { submit } from './writer';

const RETRIES = 10;
const UNDECIDED_MS = 5000;
/** The upper bound of a random pause in ms; doubles with each conflict. */
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 200;

export interface Surroundings extends StageSurroundings {
  /** Transactions that are prepared, or about to be. */
  readonly prepared: Set<HeldTransaction>;
  /** Throws when the database or its event base is being closed. */
  assertOpen(): void;
  store(definition: ClassDefinition): ClassStore;
}

/** Runs `fn` and commits what it has done; repeats this up to `retries` times after conflicts. */
export async function transact<R>(
  surroundings: Surroundings,
  fn: (transaction: PublicTransaction) => Promise<R> | R,
  options: TransactionOptions,
): Promise<R> {
  const { timeout = surroundings.timeout } = timingOf(options);
  const { result } = await attempt(surroundings, fn, options, (transaction, how) =>
    transaction.commit({ ...how, timeout }),
  );
  return result;
}

/** The same, but leaves the transaction prepared instead of committed. */
export async function prepare<R>(
  surroundings: Surroundings,
  fn: (transaction: PublicTransaction) => Promise<R> | R,
  options: PrepareOptions,
): Promise<PreparedTransaction<R>> {
  const { timeout: undecidedFor = UNDECIDED_MS } = timingOf(options);
  const { result, concluded: held } = await attempt(surroundings, fn, options, (transaction, how) =>
    transaction.prepare({ ...how, timeout: surroundings.timeout, undecidedFor }),
  );
  return {
    result,
    commit: () => held.commit(),
    rollback: () => held.rollBack(),
    [Symbol.asyncDispose]() {
      held.giveUp(new ClosedError('the prepared transaction has been disposed of'));
      return held.ended;
    },
  };
}

interface How {
  readonly signal: AbortSignal | undefined;
  readonly marks: TransactionMarks | undefined;
}

async function attempt<R, T>(
  surroundings: Surroundings,
  fn: (transaction: PublicTransaction) => Promise<R> | R,
  options: Omit<TransactionOptions, 'timeout'>,
  conclude: (transaction: Transaction, how: How) => Promise<T>,
): Promise<{ readonly result: R; readonly concluded: T }> {
  const { retries = RETRIES, origin, meta } = options;
  if (typeof fn !== 'function') throw invalidArgument('fn', 'fn is a function');
  if (!Number.isSafeInteger(retries) || retries < 0)
    throw invalidArgument('retries', 'retries is an integer, 0 or more');
  const { signal } = timingOf(options);
  const marks = marksOf(origin, meta);
  for (let attempt = 0; ; attempt += 1) {
    if (signal?.aborted) throw signal.reason;
    const transaction = new Transaction(surroundings);
    try {
      const result = await fn(transaction);
      await transaction.settled();
      return { result, concluded: await conclude(transaction, { signal, marks }) };
    } catch (error) {
      if (!(error instanceof ConflictError) || error !== transaction.conflict || attempt >= retries)
        throw error;
    } finally {
      transaction.end();
    }
    await delay(random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt));
  }
}

/**
 * Copies the values now. Values that cannot be encoded would otherwise fail in the middle of a commit, together with
 * other transactions.
 */
function marksOf(origin: unknown, meta: unknown): TransactionMarks | undefined {
  if (origin !== undefined && typeof origin !== 'string')
    throw invalidArgument('origin', `origin is a string, not ${shown(origin)}`);
  if (origin === undefined && meta === undefined) return undefined;
  try {
    return unpack(pack({ origin, meta })) as TransactionMarks;
  } catch (error) {
    throw invalidArgument('meta', 'meta cannot be encoded as MessagePack', error);
  }
}

/**
 * Decides what to write, and records it by name in `decided` for later participants. Returns a function that writes it.
 */
type Prepare = (decided: Map<string, string | undefined>) => () => void;

/** One attempt of a transaction: reads from a snapshot and holds its writes back until commit(). */
export class Transaction extends Transactions implements PublicTransaction {
  readonly #surroundings: Surroundings;
  readonly #stage: Stage;
  readonly #stores = new Map<number, ClassStore>();
  readonly #enlisted: { readonly prepare: Prepare; readonly onCommitted: () => void }[] = [];
  /** The conflict that made a commit fail. */
  conflict: unknown;

  constructor(surroundings: Surroundings) {
    const stage = new Stage(surroundings);
    super(stage);
    this.#surroundings = surroundings;
    this.#stage = stage;
  }

  records<C extends ClassDefinition>(definition: C): Records<C> {
    const store = this.#surroundings.store(definition);
    // Equal definitions have separate stores but are the same class.
    const first = this.#stores.get(store.id) ?? store;
    this.#stores.set(store.id, first);
    return new EmbeddedRecords(first, definition, this.#stage);
  }

  isOf(environment: Environment): boolean {
    return this.#surroundings.environment === environment;
  }

  /**
   * Adds work to the commit: `prepare` decides first, then the function that it returns writes. The transaction fails
   * if it throws. Calls back when the commit is durable.
   */
  enlist(prepare: Prepare, onCommitted: () => void): void {
    this.#stage.open();
    this.#enlisted.push({ prepare, onCommitted });
  }

  checkpoint(): Promise<void> {
    return this.#stage.checkpoint();
  }

  /** Resolves when everything started in it has ended; rejects when something failed or can never end. */
  settled(): Promise<void> {
    return this.#stage.settled();
  }

  async commit(how: How & { readonly timeout: number }): Promise<void> {
    const overlay = this.#finish(how.signal);
    if (overlay.isEmpty && this.#enlisted.length === 0) return;
    await submit(this.#surroundings.writer, {
      name: 'transaction',
      timeout: how.timeout,
      signal: how.signal,
      size: 1,
      run: (batch) => this.#writeTo(batch, overlay, how.marks),
    });
    this.#committed();
  }

  /** Phase 1 of two: writes everything without committing. */
  async prepare(
    how: How & { readonly timeout: number; readonly undecidedFor: number },
  ): Promise<HeldTransaction> {
    const { environment, writer, prepared, assertOpen } = this.#surroundings;
    const overlay = this.#finish(how.signal);
    writer.assertWritable();
    // Writes submitted earlier come first.
    if (!writer.isIdle) await submit(writer, { name: 'prepare', ...how, size: 1, run: () => {} });
    assertOpen();
    const held = new HeldTransaction(environment, {
      ...how,
      run: (batch) => this.#writeTo(batch, overlay, how.marks),
      onCommitted: () => this.#committed(),
    });
    prepared.add(held);
    const written = held.prepare();
    void held.ended.then(() => prepared.delete(held));
    await written;
    return held;
  }

  /** The final writes; nothing can be added after this. */
  #finish(signal: AbortSignal | undefined): Overlay {
    this.#stage.assertFaultless();
    const overlay = this.#stage.open();
    this.#stage.end();
    if (signal?.aborted) throw signal.reason;
    return overlay;
  }

  #writeTo(batch: WriteBatch, overlay: Overlay, marks: TransactionMarks | undefined): void {
    try {
      overlay.checkAgainst(batch);
    } catch (error) {
      this.conflict = error;
      throw error;
    }
    this.#stage.assertFaultless();
    const decided = new Map<string, string | undefined>();
    for (const write of this.#enlisted.map(({ prepare }) => prepare(decided))) write();
    batch.beginTransaction(marks);
    overlay.applyTo(batch);
    batch.endTransaction();
  }

  #committed(): void {
    for (const { onCommitted } of this.#enlisted) onCommitted();
  }

  end(): void {
    this.#stage.end();
  }
}
