import { ClosedError, VetoError } from '../../errors';
import { copyOf } from '../../foreign';
import { nextTick } from '../../platform';
import type { Compound } from '../../transactions/compound';
import type { Operation } from '../../transactions/operation';
import type { Target } from '../../transactions/target';
import type { Transcoder } from '../../transactions/transcoder';
import type { ClassStore } from './class-store';
import type { Environment } from './environment';
import type { Hold } from './hold';
import { Overlay } from './overlay';
import { checkArguments, executePlain } from './plain-operations';
import type { Stored } from './record-codec';
import type { RecordExecutor, RecordWrite } from './records';
import { type Range, scan } from './scan';
import type { AnyRecord } from './shapes';
import { OUT_OF_NUMBERS, SnapshotBase } from './snapshot-base';
import { withoutDocuments } from './without-documents';
import { submit, type Writer } from './writer';

/** What a transaction needs from the database for its operations. */
export interface StageSurroundings {
  readonly environment: Environment;
  readonly writer: Writer;
  readonly transcoder: Transcoder;
  readonly timeout: number;
}

/**
 * Executes the operations of a transaction. Most are executed during their call. One that waits for autoid numbers
 * delays those started after it; the end of the transaction waits for all of them.
 */
export class Stage implements Target, RecordExecutor {
  readonly transcoder: Transcoder;
  readonly #surroundings: StageSurroundings;
  readonly #hold: Hold;
  readonly #overlay: Overlay;
  #veto: VetoError | undefined;
  /** Operations started but not ended. */
  #underWay: Set<Promise<unknown>> | undefined;
  /** Settles with the last queued operation; undefined while none is queued. */
  #turns: Promise<void> | undefined;
  #isFunctionOver = false;
  /** The first failure after the function had returned. */
  #failure: { readonly error: unknown } | undefined;

  constructor(surroundings: StageSurroundings) {
    const { environment } = surroundings;
    this.#surroundings = surroundings;
    this.transcoder = surroundings.transcoder;
    this.#hold = environment.snapshot(this, 'a transaction', environment.placeOfCall());
    const { transaction } = this.#hold;
    this.#overlay = new Overlay(new SnapshotBase(environment, transaction), environment.now());
  }

  now(): number {
    return this.#overlay.now;
  }

  documents(feature: string): never {
    throw withoutDocuments(feature);
  }

  open(): Overlay {
    if (!this.#hold.isOver) return this.#overlay;
    const error = new ClosedError('the transaction has ended: await its operations within its function');
    this.#failure ??= { error };
    throw error;
  }

  end(): void {
    this.#hold.done();
  }

  /**
   * Called when the function has returned. Resolves when no operation started in it is under way and everything that
   * only waits for promises has continued. Rejects with the error of an operation that failed meanwhile, and with
   * ClosedError when a loop over records is unfinished.
   */
  settled(): Promise<void> {
    this.#isFunctionOver = true;
    return new Promise((resolve, reject) => {
      nextTick(() => {
        const underWay = this.#underWay;
        if (underWay !== undefined && underWay.size > 0)
          return resolve(Promise.allSettled(underWay).then(() => this.settled()));
        try {
          this.#assertEnded();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #assertEnded(): void {
    this.assertFaultless();
    if (this.#hold.isRead)
      throw new ClosedError(
        'the function of the transaction ended during a loop over records: await the loop, or leave it',
      );
  }

  /**
   * Throws when a hook has refused a change, or an operation came too late: a commit without it would silently lose it.
   */
  assertFaultless(): void {
    if (this.#veto !== undefined) throw this.#veto;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  dispatch<T>(operation: Operation): Promise<T> {
    const overlay = this.open();
    checkArguments(operation.key, operation.value);
    const promise = operation.promise<T>();
    if (typeof operation.value === 'object') operation.value = copyOf(operation.value);
    this.#execute(overlay, operation);
    return promise;
  }

  dispatchMany<R>(many: Compound<R>): Promise<R> {
    const overlay = this.open();
    many.start({
      timeout: this.#surroundings.timeout,
      available: () => Number.MAX_SAFE_INTEGER,
      check: checkArguments,
      submit: (operation) => {
        checkArguments(operation.key, undefined);
        this.#execute(overlay, operation);
      },
      cancel: () => {},
      wait: () => {},
      stopWaiting: () => {},
    });
    return many.promise;
  }

  async write<T>(write: RecordWrite<T>): Promise<T> {
    const overlay = this.open();
    if (this.#turns === undefined) {
      try {
        return this.#write(overlay, write);
      } catch (error) {
        if (error !== OUT_OF_NUMBERS) throw error;
      }
    }
    return this.#inTurn(() => this.#writeWithNumbers(write));
  }

  read(store: ClassStore, key: Buffer): Stored | undefined | Promise<Stored | undefined> {
    this.open();
    return this.#turns === undefined ? this.#read(store, key) : this.#inTurn(() => this.#read(store, key));
  }

  async scan(store: ClassStore, range: Range): Promise<Iterator<Stored>> {
    this.open();
    const begin = (): Iterator<Stored> => this.#scan(store, range);
    return this.#turns === undefined ? begin() : this.#inTurn(begin);
  }

  placeOfCall(): undefined {}

  reading<T>(result: Promise<T>): Promise<T> {
    this.#underWay ??= new Set();
    const underWay = this.#underWay.add(result);
    const isOver = (): void => void underWay.delete(result);
    result.then(isOver, (error) => {
      isOver();
      if (this.#isFunctionOver && !this.#hold.isOver) this.#failure ??= { error };
    });
    return result;
  }

  async checkpoint(): Promise<void> {
    this.open();
    const checkpoint = (): void => this.open().checkpoint();
    return this.#turns === undefined ? checkpoint() : this.#inTurn(checkpoint);
  }

  /** Runs after everything started before, and before anything started later. */
  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = (this.#turns ?? Promise.resolve()).then(work);
    const isOver = (): void => {
      if (this.#turns === turn) this.#turns = undefined;
    };
    const turn: Promise<void> = result.then(isOver, isOver);
    this.#turns = turn;
    return this.reading(result);
  }

  #read(store: ClassStore, key: Buffer): Stored | undefined {
    const overlay = this.open();
    const stored = overlay.read(store, key);
    if (stored === undefined || overlay.writesOf(store) === undefined) return stored;
    return { ...stored, record: store.copyOf(stored.record) };
  }

  #write<T>(overlay: Overlay, { store, run }: RecordWrite<T>): T {
    try {
      const result = run(overlay);
      // Users get a copy, so that changing it does not affect the commit.
      return typeof result === 'object' ? (store.copyOf(result as AnyRecord) as T) : result;
    } catch (error) {
      if (error instanceof VetoError) this.#veto ??= error;
      throw error;
    }
  }

  async #writeWithNumbers<T>(write: RecordWrite<T>): Promise<T> {
    for (;;) {
      try {
        return this.#write(this.open(), write);
      } catch (error) {
        if (error !== OUT_OF_NUMBERS) throw error;
      }
      await this.#reserveAutoids(write.store);
    }
  }

  #scan(store: ClassStore, range: Range): Iterator<Stored> {
    this.open();
    return this.#guarded(scan(store, range, this.now(), this.#hold.transaction, this.#overlay));
  }

  /** The rest of an unfinished loop cannot be read after the end of the transaction. */
  *#guarded(found: Iterator<Stored>): Generator<Stored> {
    this.open();
    this.#hold.begin(found);
    try {
      for (let each = found.next(); !each.done; each = found.next()) {
        yield each.value;
        this.open();
      }
    } finally {
      this.#hold.end(found);
    }
  }

  #execute(overlay: Overlay, operation: Operation): void {
    const signal = operation.details?.signal;
    try {
      if (signal?.aborted) throw signal.reason;
      operation.succeed(executePlain(overlay, operation, Buffer.from(operation.key), this.transcoder)());
    } catch (error) {
      operation.fail(error);
    }
  }

  /**
   * Numbers are reserved in the database in advance: if they were taken within the transaction, another transaction
   * could get the same.
   */
  async #reserveAutoids(store: ClassStore): Promise<void> {
    const { writer, timeout } = this.#surroundings;
    await submit(writer, {
      name: 'insert',
      timeout,
      signal: undefined,
      size: 1,
      run: (batch) => batch.refillAutoids(store),
    });
  }
}
