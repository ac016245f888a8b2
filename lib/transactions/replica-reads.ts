import { BackpressureError, ConnectionError, type EvenkeelError } from '../errors';
import { queueMicrotask } from '../platform';
import { isOurs } from '../stacks';
import { onAbort, reasonOf } from './abort';
import type { Compound, Submitter } from './compound';
import { type CollectionName, type DocumentEngine, documentDetails } from './documents';
import { type Collector, type Details, details, Kind, Operation } from './operation';
import { RecordResult } from './results';

/** A record from one of its copies. */
export class ReplicaRecord<T> extends RecordResult<T> {
  /** false: from the active copy. true: from a replica, which may be behind it. */
  readonly isReplica: boolean;

  constructor({ value, flags, cas }: RecordResult<T>, isReplica: boolean) {
    super(value, flags, Number(cas >> 32n), Number(cas & 0xffffffffn));
    this.isReplica = isReplica;
  }
}

/** The result of getAllReplicas(). */
export interface AllReplicas<T> {
  /** The active one first. Empty when no copy that answered has the record. */
  readonly records: readonly ReplicaRecord<T>[];
  /** The errors of copies that could not be read. */
  readonly errors: readonly EvenkeelError[];
}

/** Collects the reads of copies into one result. */
interface Gathering<R> {
  /** Adds the record of a copy, or undefined if it has none. Returns whether the result is complete. */
  add(copy: number, record: RecordResult<unknown> | undefined): boolean;
  fail(error: unknown): void;
  /** Throws if the result is an error. */
  result(): R;
}

/** The first record that a copy returns. */
export class AnyCopy<T> implements Gathering<ReplicaRecord<T> | undefined> {
  #record: ReplicaRecord<T> | undefined;
  #isMissing = false;
  #error: unknown;
  #hasFailed = false;

  add(copy: number, record: RecordResult<unknown> | undefined): boolean {
    if (record !== undefined) this.#record = new ReplicaRecord(record as RecordResult<T>, copy > 0);
    else if (copy === 0) this.#isMissing = true;
    return record !== undefined;
  }

  fail(error: unknown): void {
    if (!this.#hasFailed) this.#error = error;
    this.#hasFailed = true;
  }

  /** If the active copy has no record, there is none, whatever happened to the others. */
  result(): ReplicaRecord<T> | undefined {
    if (this.#record === undefined && this.#hasFailed && !this.#isMissing) throw this.#error;
    return this.#record;
  }
}

/** The records of all copies. */
export class AllCopies<T> implements Gathering<AllReplicas<T>> {
  readonly #records: { readonly copy: number; readonly record: ReplicaRecord<T> }[] = [];
  readonly #errors: unknown[] = [];
  #isAnswered = false;

  add(copy: number, record: RecordResult<unknown> | undefined): boolean {
    this.#isAnswered = true;
    if (record !== undefined)
      this.#records.push({ copy, record: new ReplicaRecord(record as RecordResult<T>, copy > 0) });
    return false;
  }

  fail(error: unknown): void {
    this.#errors.push(error);
  }

  result(): AllReplicas<T> {
    const foreign = this.#errors.find((error) => !isOurs(error));
    if (foreign !== undefined) throw foreign;
    const errors = this.#errors as EvenkeelError[];
    if (!this.#isAnswered && errors.length > 0) throw errors[0];
    const records = this.#records.sort((one, other) => one.copy - other.copy).map(({ record }) => record);
    return { records, errors };
  }
}

/** Reads the copies of one record, with one outcome. The copies are looked up when the reads start. */
export class ReplicaReads<R> implements Collector, Compound<R> {
  readonly keys: readonly string[];
  collection: CollectionName | undefined = undefined;
  hits = 0;
  readonly promise: Promise<R>;
  readonly #documents: DocumentEngine;
  readonly #serverGroup: string | undefined;
  readonly #gathering: Gathering<R>;
  readonly #copies = new Map<Operation, number>();
  #submitter: Submitter | undefined;
  #awaited = 0;
  #isSettled = false;
  #stopListening: (() => void) | undefined;
  #resolve: (result: R) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(
    readonly op: string,
    key: string,
    readonly details: Details | undefined,
    documents: DocumentEngine,
    serverGroup: string | undefined,
    gathering: Gathering<R>,
  ) {
    this.keys = [key];
    this.#documents = documents;
    this.#serverGroup = serverGroup;
    this.#gathering = gathering;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get size(): number {
    return Math.max(1, this.#copiesNow().length);
  }

  start(submitter: Submitter): void {
    this.#submitter = submitter;
    const [key = ''] = this.keys;
    submitter.check(key, undefined, this.collection);
    const signal = this.details?.signal;
    if (signal?.aborted) {
      queueMicrotask(() => this.discard(reasonOf(signal)));
      return;
    }
    const copies = this.#copiesNow();
    if (copies.length === 0) {
      this.discard(new ConnectionError(`${this.op}: no server has a copy of the record`, this.#context()));
      return;
    }
    if (signal !== undefined) this.#stopListening = onAbort(signal, (reason) => this.discard(reason));
    this.#awaited = copies.length;
    for (const copy of copies) {
      if (this.#isSettled) return;
      this.#startCopy(submitter, key, copy);
    }
  }

  add(operation: Operation, value: unknown): void {
    const copy = this.#copies.get(operation) ?? 0;
    this.#copies.delete(operation);
    if (this.#isSettled) return;
    if (value !== undefined) this.hits = 1;
    const isEnough = this.#gathering.add(copy, value as RecordResult<unknown> | undefined);
    this.#ended(isEnough);
  }

  fail(operation: Operation, error: unknown): void {
    this.#copies.delete(operation);
    if (this.#isSettled) return;
    this.#gathering.fail(error);
    this.#ended(false);
  }

  discard(error: unknown): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#reject(error);
  }

  #startCopy(submitter: Submitter, key: string, copy: number): void {
    const own = { ...(this.details ?? details()), signal: undefined };
    if (copy > 0) own.document = { ...documentDetails(), replica: copy };
    const kind = copy === 0 ? Kind.getRecord : Kind.getReplica;
    const operation = new Operation(kind, key, undefined, own, this);
    operation.collection = this.collection;
    this.#copies.set(operation, copy);
    try {
      submitter.submit(operation);
    } catch (error) {
      if (error instanceof BackpressureError || error instanceof ConnectionError) {
        this.fail(operation, error);
        return;
      }
      this.#withdraw();
      throw error;
    }
  }

  #ended(isEnough: boolean): void {
    this.#awaited -= 1;
    if (!isEnough && this.#awaited > 0) return;
    this.#settle();
    try {
      this.#resolve(this.#gathering.result());
    } catch (error) {
      this.#reject(error);
    }
  }

  #settle(): void {
    this.#isSettled = true;
    this.#withdraw();
  }

  #withdraw(): void {
    this.#stopListening?.();
    for (const operation of this.#copies.keys()) this.#submitter?.cancel(operation);
    this.#copies.clear();
  }

  #copiesNow(): readonly number[] {
    return this.#documents.copiesOf(this.keys[0] ?? '', this.#serverGroup);
  }

  #context(): { context: { op: string; key: string | undefined } } {
    return { context: { op: this.op, key: this.keys[0] } };
  }
}
