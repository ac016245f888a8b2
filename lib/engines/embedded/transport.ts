import { BackpressureError, ClosedError, EvenkeelError } from '../../errors';
import type { EventBase } from '../../event-base/event-base';
import { copyOf } from '../../foreign';
import type { TransportStats } from '../../observability/stats';
import { queueMicrotask, setImmediate } from '../../platform';
import type { ClassDefinition } from '../../schema/class';
import { reasonOf } from '../../transactions/abort';
import type { Compound, Waiting } from '../../transactions/compound';
import type { CollectionName } from '../../transactions/documents';
import { nameOf, type Operation } from '../../transactions/operation';
import type { Transcoder } from '../../transactions/transcoder';
import type { MultiRecord, Transport } from '../engine';
import { Waiters } from '../waiters';
import type { ClassStore } from './class-store';
import type { Environment } from './environment';
import { DirectExecutor } from './executor';
import { executeTogether, failAll, Group, withOperationAtFault } from './group';
import { JournalLog } from './journal-reader';
import { storageError } from './lmdb';
import { TreeNotes } from './notes';
import type { ResolvedEmbeddedOptions } from './options';
import { checkArguments, contextOf, executePlain, isRead, readResult } from './plain-operations';
import { type PlainRecord, readPlain } from './plain-store';
import type { HeldTransaction } from './prepared';
import { EmbeddedRecords } from './records';
import { storageStats } from './storage-stats';
import { expireAll } from './sweeper';
import { prepare, transact } from './transaction';
import { withoutDocuments } from './without-documents';
import type { WriteBatch } from './write-batch';
import { type Unit, Writer } from './writer';

/** The connection of one event base to the database: reads at once, and writes through its writer. */
export class EmbeddedTransport implements Transport {
  readonly node = undefined;
  readonly withoutMeta = 'the embedded engine has no such thing';
  readonly transcoder: Transcoder;
  readonly timeout: number;
  readonly writer: Writer;
  readonly multiRecord: MultiRecord;
  readonly #environment: Environment;
  readonly #base: EventBase;
  /** Pending writes by key; a read of such a key waits for them. */
  readonly #writing = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  readonly #prepared = new Set<HeldTransaction>();
  /** Transactions under way, including prepared ones until they are decided. */
  #transactions = 0;
  readonly #whenIdle = new Waiters();
  #isProceeding = false;
  /** The group under construction in together(). */
  #group: Group | undefined;
  #closed = false;
  #ended = false;
  #closing: Promise<void> | undefined;

  constructor(
    base: EventBase,
    environment: Environment,
    options: ResolvedEmbeddedOptions,
    transcoder: Transcoder,
    lastWriter: Writer,
  ) {
    this.#base = base;
    this.#environment = environment;
    this.transcoder = transcoder;
    this.timeout = options.timeout;
    this.writer = new Writer(environment, options.maxQueued, (isBusy) => {
      if (isBusy) return base.ref();
      base.unref();
      this.#checkIdle();
    });
    this.multiRecord = this.#multiRecord(options, lastWriter);
    base.attach(this.#onBaseClosed);
  }

  #multiRecord({ timeout }: ResolvedEmbeddedOptions, lastWriter: Writer): MultiRecord {
    const environment = this.#environment;
    const { writer, transcoder } = this;
    const store = (definition: ClassDefinition): ClassStore => environment.catalog.storeOf(definition);
    const assertOpen = (): void => {
      if (this.#closed) throw this.#closedError();
    };
    const surroundings = {
      environment,
      writer,
      transcoder,
      timeout,
      prepared: this.#prepared,
      assertOpen,
      store,
    };
    const executor = new DirectExecutor(environment, writer, timeout, assertOpen);
    return {
      classes: [...environment.catalog.stores].map(({ definition }) => definition),
      hooksOf: (definition) => {
        assertOpen();
        return store(definition).hooks;
      },
      changes: new JournalLog(environment, new TreeNotes(environment, writer, lastWriter, timeout)),
      records: (definition) => new EmbeddedRecords(store(definition), definition, executor),
      expireNow: () => {
        assertOpen();
        return this.#during(expireAll(writer));
      },
      transaction: (fn, given) => {
        assertOpen();
        return this.#during(transact(surroundings, fn, given));
      },
      prepare: (fn, given) => {
        assertOpen();
        return this.#during(prepare(surroundings, fn, given));
      },
    };
  }

  now(): number {
    return this.#environment.now();
  }

  documents(feature: string): never {
    throw withoutDocuments(feature);
  }

  ready(): Promise<void> {
    return this.#closed ? Promise.reject(this.#closedError()) : Promise.resolve();
  }

  /** The engine runs in this process and has no server version. */
  version(): string {
    return 'embedded';
  }

  flush(): void {}

  available(): number {
    return this.writer.room;
  }

  /** This engine does not count bytes. */
  fits(operations: number): boolean {
    return operations <= this.available();
  }

  check(key: string, value: string | Uint8Array | undefined): number {
    if (this.#closed) throw this.#closedError();
    checkArguments(key, value);
    return 0;
  }

  dispatch<T>(operation: Operation): Promise<T> {
    const promise = operation.promise<T>();
    try {
      this.submit(operation);
    } catch (error) {
      promise.catch(() => {});
      if (!(error instanceof BackpressureError)) throw error;
      return Promise.reject(error);
    }
    return promise;
  }

  dispatchMany<R>(many: Compound<R>): Promise<R> {
    try {
      many.start(this);
    } catch (error) {
      if (!(error instanceof BackpressureError)) throw error;
      return Promise.reject(error);
    }
    return many.promise;
  }

  submit(operation: Operation): void {
    this.check(operation.key, operation.value);
    const signal = operation.details?.signal;
    if (signal?.aborted) {
      queueMicrotask(() => operation.fail(reasonOf(signal)));
      return;
    }
    // The caller may reuse its memory as soon as the call has returned.
    if (typeof operation.value === 'object') operation.value = copyOf(operation.value);
    if (this.#group !== undefined) {
      this.#group.add(operation);
    } else if (isRead(operation) && !this.#writing.has(operation.key)) {
      this.#read(operation);
    } else {
      const { details } = operation;
      this.#write({
        name: nameOf(operation.kind),
        timeout: details?.timeout ?? this.timeout,
        signal,
        operations: [operation],
        run: (batch) => {
          const result = executePlain(batch, operation, Buffer.from(operation.key), this.transcoder);
          return [result];
        },
      });
    }
  }

  /**
   * The operations submitted by `start` form one transaction; if it fails, those that did not fail themselves get a
   * DiscardedError.
   */
  together(_collections: readonly CollectionName[], start: () => void): void {
    const group = new Group();
    this.#group = group;
    try {
      start();
    } finally {
      this.#group = undefined;
    }
    if (group.operations.length === 0) return;
    if (group.operations.every((each) => isRead(each) && !this.#writing.has(each.key))) {
      for (const each of group.operations) this.#read(each);
      return;
    }
    try {
      this.#write({
        name: 'leave',
        timeout: group.timeout(this.timeout),
        signal: group.signal(),
        operations: group.operations,
        run: (batch) => executeTogether(batch, group.operations, this.transcoder),
      });
    } catch (error) {
      for (const operation of group.operations) operation.fail(error);
    }
  }

  cancel(): void {
    // A read has ended when its call returns, and a pending write is left to its outcome.
  }

  wait(waiting: Waiting): void {
    this.#waiting.add(waiting);
    this.#proceedSoon();
  }

  stopWaiting(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.#checkIdle();
  }

  /** For getOrLoad(), which this engine does not have. */
  resume<R>(start: () => R): R {
    return start();
  }

  get isIdle(): boolean {
    const isBusy = this.#transactions > 0 || !this.writer.isIdle || this.#waiting.size > 0;
    return this.#ended || !isBusy;
  }

  stats(): TransportStats {
    const underWay = this.#transactions + this.writer.pending;
    return { underWay, queuedBytes: 0, nodes: [], storage: storageStats(this.#environment) };
  }

  whenIdle(callback: () => void): () => void {
    return this.#whenIdle.add(callback);
  }

  #checkIdle(): void {
    if (!this.#whenIdle.isEmpty && this.isIdle) this.#whenIdle.callAll();
  }

  /** Counts as under way until it has settled and everything prepared in it is decided. */
  async #during<T>(work: Promise<T>): Promise<T> {
    this.#transactions += 1;
    try {
      return await work;
    } finally {
      void this.#allDecided().then(() => {
        this.#transactions -= 1;
        this.#checkIdle();
      });
    }
  }

  async #allDecided(): Promise<void> {
    await Promise.all([...this.#prepared].map(({ ended }) => ended));
  }

  /** Reads need room only during their call, and nothing signals their end. */
  #proceedSoon(): void {
    if (this.#isProceeding || this.#waiting.size === 0) return;
    this.#isProceeding = true;
    setImmediate(() => {
      this.#isProceeding = false;
      for (const waiting of this.#waiting) waiting.proceed();
      // Without room, the end of a pending write continues this.
      if (this.available() > 0) this.#proceedSoon();
    });
  }

  refuse(): void {
    this.#closed = true;
    this.#rollBackPrepared(() => this.#closedError());
  }

  close(drainTimeout: number): Promise<void> {
    this.#closing ??= this.#close(drainTimeout);
    return this.#closing;
  }

  async #close(drainTimeout: number): Promise<void> {
    this.refuse();
    this.#base.ref();
    await this.writer.close(drainTimeout);
    await this.#allDecided();
    for (const waiting of this.#waiting) waiting.giveUp(this.#closedError());
    this.#end();
    this.#base.release(this.#onBaseClosed);
    this.#base.unref();
  }

  readonly #onBaseClosed = (): void => {
    this.#closed = true;
    this.writer.refuse('its event base');
    this.#rollBackPrepared(() => new ClosedError('the prepared transaction: its event base was closed'));
    this.#end();
  };

  /** A transaction whose function never returns is abandoned. */
  #end(): void {
    this.#ended = true;
    this.#checkIdle();
  }

  /** Rolls back what is undecided or still being prepared, because others wait for it. */
  #rollBackPrepared(reason: () => ClosedError): void {
    for (const each of this.#prepared) each.giveUp(reason());
  }

  #read(operation: Operation): void {
    // The outcome follows the call, as on every engine.
    try {
      this.#environment.freshen();
      const record = this.#readPlain(operation.key);
      const { expiresAt } = record ?? {};
      const isGone = expiresAt !== undefined && expiresAt <= this.#environment.now();
      operation.succeed(readResult(operation, isGone ? undefined : record, this.transcoder));
    } catch (error) {
      operation.fail(completed(error, operation));
    }
  }

  #readPlain(key: string): PlainRecord | undefined {
    try {
      return readPlain(this.#environment.trees.plain, Buffer.from(key));
    } catch (error) {
      throw storageError(error, this.#environment.path);
    }
  }

  #write(work: {
    name: string;
    timeout: number;
    signal: AbortSignal | undefined;
    operations: readonly Operation[];
    run: (batch: WriteBatch) => (() => unknown)[];
  }): void {
    const { operations, ...rest } = work;
    let results: (() => unknown)[] = [];
    const end = (): void => {
      for (const { key } of operations) this.#doneWriting(key);
      this.#proceedSoon();
    };
    const unit: Unit = {
      ...rest,
      size: operations.length,
      run: (batch) => {
        results = work.run(batch);
        batch.endTransaction();
      },
      succeed: () => {
        end();
        for (const [i, operation] of operations.entries()) settle(operation, results[i]);
      },
      fail: (error) => {
        end();
        failAll(operations, withOperationAtFault(operations, error));
      },
    };
    this.writer.submit(unit);
    for (const { key } of operations) this.#writing.set(key, (this.#writing.get(key) ?? 0) + 1);
  }

  #doneWriting(key: string): void {
    const left = (this.#writing.get(key) ?? 1) - 1;
    if (left === 0) this.#writing.delete(key);
    else this.#writing.set(key, left);
  }

  #closedError(): ClosedError {
    return new ClosedError('the database is closed', { context: { node: this.#environment.path } });
  }
}

function settle(operation: Operation, result: (() => unknown) | undefined): void {
  try {
    operation.succeed(result?.());
  } catch (error) {
    operation.fail(completed(error, operation));
  }
}

/** Adds the operation to errors of this package that were created without knowing it. */
function completed(error: unknown, operation: Operation): unknown {
  try {
    if (!(error instanceof EvenkeelError) || Object.isFrozen(error)) return error;
    return Object.assign(error, { context: { ...contextOf(operation), ...error.context } });
  } catch {
    return error; // a transcoder may throw anything, for example a Proxy with traps
  }
}
