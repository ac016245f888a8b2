import { ClosedError, EvenkeelError, TimeoutError } from '../../errors';
import { clearTimeout, setTimeout } from '../../platform';
import { onAbort } from '../../transactions/abort';
import type { Environment } from './environment';
import { storageError } from './lmdb';
import { removeExpired } from './removal';
import { WriteBatch } from './write-batch';
import { causeOf, writeTransaction } from './write-transaction';

/**
 * 'waiting' for LMDB's write transaction; 'undecided' once everything is written in it; then what was decided. Given up
 * while it waits it is rolled back, too.
 */
type Phase = 'waiting' | 'undecided' | 'committed' | 'rolled back';

export interface Preparing {
  /** ms within which it is written. */
  readonly timeout: number;
  /** ms within which it is decided after that. */
  readonly undecidedFor: number;
  readonly signal: AbortSignal | undefined;
  /** In the write transaction: checks and writes everything. */
  run(batch: WriteBatch): void;
  onCommitted(): void;
}

const ROLLED_BACK = new Error('rolled back');

/**
 * A write transaction of LMDB that is held open with everything in it until it is decided. Nobody sees what it has
 * written; whoever wants to write waits.
 */
export class HeldTransaction {
  readonly #environment: Environment;
  readonly #preparing: Preparing;
  #phase: Phase = 'waiting';
  /** Why it was rolled back when nobody asked for it. */
  #reason: unknown;
  #decide: ((isCommit: boolean) => void) | undefined;
  #refuse: (error: unknown) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(environment: Environment, preparing: Preparing) {
    this.#environment = environment;
    this.#preparing = preparing;
  }

  /** Resolves when LMDB's transaction is over, whatever became of it. */
  get ended(): Promise<void> {
    return this.#ended.catch(() => {});
  }

  /** Resolves when it is written; rejects with what its `run` throws, or when it is not to be had in time. */
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

  /** Where it has been rolled back by itself there is nothing left to do. */
  async rollBack(): Promise<void> {
    if (this.#reason === undefined) {
      this.#assertUndecided();
      this.#conclude('rolled back');
    }
    await this.ended;
  }

  /** Rolls it back unless it is decided: a commit that is asked for later rejects with the error. */
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
        // Given up while another process wrote: nothing is to be committed.
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
      // Numbers that were handed out in it were not taken.
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
