import { ClosedError, EvenkeelError, TimeoutError } from '../../errors';
import { clearTimeout, setTimeout } from '../../platform';
import { onAbort } from '../../transactions/abort';
import type { Environment } from './environment';
import { storageError } from './lmdb';
import { removeExpired } from './removal';
import { WriteBatch } from './write-batch';
import { causeOf, writeTransaction } from './write-transaction';

/**
 * 'waiting': for LMDB's write transaction. 'undecided': everything is written in it. Then 'committed' or 'rolled back';
 * a transaction given up while waiting is rolled back, too.
 */
type Phase = 'waiting' | 'undecided' | 'committed' | 'rolled back';

export interface Preparing {
  /** The time limit until it is written, in ms. */
  readonly timeout: number;
  /** The time limit from then until it is decided, in ms. */
  readonly undecidedFor: number;
  readonly signal: AbortSignal | undefined;
  /** Runs in the write transaction: checks and writes everything. */
  run(batch: WriteBatch): void;
  onCommitted(): void;
}

const ROLLED_BACK = new Error('rolled back');

/**
 * An LMDB write transaction with everything written, held open until it is decided. Its writes are invisible, and other
 * writers wait.
 */
export class HeldTransaction {
  readonly #environment: Environment;
  readonly #preparing: Preparing;
  #phase: Phase = 'waiting';
  /** Why it was rolled back without a request. */
  #reason: unknown;
  #decide: ((isCommit: boolean) => void) | undefined;
  #refuse: (error: unknown) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(environment: Environment, preparing: Preparing) {
    this.#environment = environment;
    this.#preparing = preparing;
  }

  /** Resolves when LMDB's transaction has ended, whatever its outcome. */
  get ended(): Promise<void> {
    return this.#ended.catch(() => {});
  }

  /**
   * Resolves when it is written; rejects with what `run` throws, or when the write transaction is not available in
   * time.
   */
  prepare(): Promise<void> {
    const { timeout, signal } = this.#preparing;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        stopListening();
      };
      const timer = setTimeout(() => {
        const message = `prepare: not written within ${timeout} ms`;
        this.giveUp(new TimeoutError(message, { context: { op: 'prepare' } }));
      }, timeout);
      const stopListening =
        signal === undefined ? () => {} : onAbort(signal, (reason) => this.giveUp(reason, ['waiting']));
      this.#refuse = (error) => {
        settle();
        reject(error);
      };
      const onPrepared = (): void => {
        settle();
        resolve();
      };
      this.#ended = this.#environment.exclusively(() => this.#hold(onPrepared));
      this.#ended.catch((error: unknown) => this.giveUp(error, ['waiting']));
    });
  }

  async commit(): Promise<void> {
    this.#assertUndecided();
    this.#conclude('committed');
    await this.#ended;
  }

  /** If it was already rolled back without a request, there is nothing left to do. */
  async rollBack(): Promise<void> {
    if (this.#reason === undefined) {
      this.#assertUndecided();
      this.#conclude('rolled back');
    }
    await this.ended;
  }

  /** Rolls it back unless it is decided; a later commit rejects with the error. */
  giveUp(error: unknown, phases: readonly Phase[] = ['waiting', 'undecided']): void {
    if (!phases.includes(this.#phase)) return;
    this.#reason = error;
    this.#conclude('rolled back');
    this.#refuse(error);
  }

  #assertUndecided(): void {
    if (this.#phase === 'undecided') return;
    throw this.#reason ?? new ClosedError(`the prepared transaction has been ${this.#phase} already`);
  }

  #conclude(phase: 'committed' | 'rolled back'): void {
    this.#phase = phase;
    clearTimeout(this.#timer);
    this.#decide?.(phase === 'committed');
  }

  async #hold(onPrepared: () => void): Promise<void> {
    if (this.#phase !== 'waiting') return;
    const environment = this.#environment;
    let hasEvents = false;
    environment.beginWrite();
    try {
      await writeTransaction(environment.root, () => {
        // Given up while another process was writing: nothing to commit.
        if (this.#phase !== 'waiting') return undefined;
        const batch = new WriteBatch(environment);
        removeExpired(batch, 0);
        this.#preparing.run(batch);
        batch.finish();
        hasEvents = batch.hasEvents;
        environment.beside.begin();
        return this.#awaitDecision(onPrepared);
      });
    } catch (error) {
      // Autoids assigned in the transaction were not used.
      environment.autoids.clear();
      if (error === ROLLED_BACK) return;
      throw error instanceof EvenkeelError ? error : storageError(await causeOf(error), environment.path);
    } finally {
      environment.beside.end();
      environment.endWrite();
    }
    if ((this.#phase as Phase) !== 'committed') return;
    this.#preparing.onCommitted();
    environment.committed(hasEvents);
  }

  #awaitDecision(onPrepared: () => void): Promise<void> {
    const { undecidedFor } = this.#preparing;
    this.#phase = 'undecided';
    this.#timer = setTimeout(() => {
      const message = `the prepared transaction was not decided within ${undecidedFor} ms, and was rolled back`;
      this.giveUp(new TimeoutError(message, { context: { op: 'prepare' } }));
    }, undecidedFor);
    onPrepared();
    return new Promise((resolve, reject) => {
      this.#decide = (isCommit) => (isCommit ? resolve() : reject(ROLLED_BACK));
    });
  }
}
