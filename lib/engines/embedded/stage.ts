import { ClosedError, VetoError } from '../../errors';
import { copyOf } from '../../foreign';
import { nextTick } from '../../platform';
import type { GetMany } from '../../transactions/get-many';
import type { Operation } from '../../transactions/operation';
import type { Target } from '../../transactions/transactions';
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
import { submit, type Writer } from './writer';

/** What a transaction needs of the database for its operations. */
export interface StageSurroundings {
  readonly environment: Environment;
  readonly writer: Writer;
  readonly transcoder: Transcoder;
  readonly timeout: number;
}

/**
 * Where a transaction's operations go. Most are executed by their call. One that has to wait for numbers of an autoid
 * holds up those that are begun after it, and the end of the transaction holds for all of them.
 */
export class Stage implements Target, RecordExecutor {
  readonly transcoder: Transcoder;
  readonly #surroundings: StageSurroundings;
  readonly #hold: Hold;
  readonly #overlay: Overlay;
  #veto: VetoError | undefined;
  /** Begun and not ended. */
  #underWay: Set<Promise<unknown>> | undefined;
  /** Settles with the last of those that are executed one after the other; undefined while there are none. */
  #turns: Promise<void> | undefined;
  #isFunctionOver = false;
  /** What went wrong when the function could not hear of it any more. */
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

  open(): Overlay {
    if (!this.#hold.isOver) return this.#overlay;
    const error = new ClosedError('the transaction has ended: what is begun in it has to be awaited in it');
    this.#failure ??= { error };
    throw error;
  }

  end(): void {
    this.#hold.done();
  }

  /**
   * The function has ended: resolves when nothing that was begun in it is under way, and everything that waits for no more
   * than promises has gone on. Rejects with what an operation failed of meanwhile, and with ClosedError when a loop over
   * records has not come to its end.
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
        'the function of the transaction ended within a loop over records: await it or leave it',
      );
  }

  /** What a hook refused cannot be committed without it, as if nothing had been; nor without what came too late. */
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

  dispatchMany<R>(many: GetMany<R>): Promise<R> {
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

  /** After what was begun before, and before what is begun from now on. */
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
      // What users have in their hands is theirs: nothing that they do to it is committed.
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

  /** What is left of a loop when the transaction ends is not there to be read any more. */
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

  /** Numbers are taken from the database before they are needed: in the transaction they would be another's, too. */
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
