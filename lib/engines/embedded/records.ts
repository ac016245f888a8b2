import { checkOptions, checkSignal, checkTimeout, invalidArgument, shown } from '../../arguments';
import { setImmediate } from '../../platform';
import type { ClassDefinition } from '../../schema/class';
import type { InsertOf, KeyOf, RecordOf } from '../../schema/record';
import {
  CONDITIONAL_NAMES,
  type ConditionalOptions,
  OPERATION_NAMES,
  type OperationOptions,
} from '../../transactions/options';
import {
  CONDITIONAL_RECORD_WRITE_NAMES,
  type ConditionalRecordWriteOptions,
  type FindOptions,
  type IndexNames,
  type Query,
  RECORD_WRITE_NAMES,
  type Records,
  type RecordWriteOptions,
  type VersionedRecord,
} from '../../transactions/records';
import { joinWords } from '../../transactions/results';
import type { ClassStore } from './class-store';
import type { Stored } from './record-codec';
import {
  checkChanges,
  checkKey,
  checkLifetime,
  checkRecord,
  insert,
  remove,
  removeAll,
  update,
  upsert,
} from './record-operations';
import { type Range, rangeOf } from './scan';
import type { Scope } from './scope';
import type { AnyRecord } from './shapes';
import type { Version } from './version';

export interface Timing {
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A write to records. `run` returns the result of the write, or throws before anything is written. */
export interface RecordWrite<T> {
  readonly name: string;
  readonly store: ClassStore;
  /** undefined: all records of the class. */
  readonly key: Buffer | undefined;
  readonly timing: Timing;
  run(scope: Scope): T;
}

/** Reads and writes records, of the database itself or in one of its transactions. */
export interface RecordExecutor {
  write<T>(write: RecordWrite<T>): Promise<T>;
  /** The record after all writes submitted earlier. */
  read(store: ClassStore, key: Buffer, timing: Timing): Stored | undefined | Promise<Stored | undefined>;
  /** The place in the program that starts a loop, if known. */
  placeOfCall(): string | undefined;
  /** Found records. The caller must end the iterator. */
  scan(store: ClassStore, range: Range, place?: string): Promise<Iterator<Stored>>;
  /** Registers a read, so that the end of the transaction waits for it where possible. Returns the promise. */
  reading<T>(result: Promise<T>): Promise<T>;
}

/** The records of a class through one executor. */
export class EmbeddedRecords<C extends ClassDefinition> implements Records<C> {
  readonly definition: C;
  readonly #store: ClassStore;
  readonly #executor: RecordExecutor;

  constructor(store: ClassStore, definition: C, executor: RecordExecutor) {
    this.definition = definition;
    this.#store = store;
    this.#executor = executor;
  }

  get(key: KeyOf<C>, options?: OperationOptions): Promise<RecordOf<C> | undefined> {
    return this.#read(key, options, (stored) => stored?.record as RecordOf<C> | undefined);
  }

  getRecord(key: KeyOf<C>, options?: OperationOptions): Promise<VersionedRecord<C> | undefined> {
    return this.#read(key, options, (stored) => stored && versioned(stored));
  }

  exists(key: KeyOf<C>, options?: OperationOptions): Promise<boolean> {
    return this.#read(key, options, (stored) => stored !== undefined);
  }

  insert(record: InsertOf<C>, options: RecordWriteOptions = {}): Promise<RecordOf<C>> {
    return attempt(() => {
      const timing = timingAmong(options, RECORD_WRITE_NAMES);
      const lifetime = checkLifetime(options);
      const store = this.#store;
      const checked = checkRecord(store, record);
      const key =
        store.autoid === undefined || checked[store.autoid] !== undefined ? store.keyOf(checked) : undefined;
      return this.#write('insert', key, timing, (scope) => insert(scope, store, checked, key, lifetime));
    });
  }

  upsert(record: RecordOf<C>, options: ConditionalRecordWriteOptions = {}): Promise<RecordOf<C>> {
    return attempt(() => {
      const timing = timingAmong(options, CONDITIONAL_RECORD_WRITE_NAMES);
      const lifetime = checkLifetime(options);
      const cas = casOf(options);
      const store = this.#store;
      const checked = checkRecord(store, record);
      if (store.autoid !== undefined && checked[store.autoid] === undefined)
        throw invalidArgument('record', `record: ${store.autoid} says which record is meant, and is missing`);
      const key = store.keyOf(checked);
      return this.#write('upsert', key, timing, (scope) => upsert(scope, store, checked, key, lifetime, cas));
    });
  }

  update(
    key: KeyOf<C>,
    changes: Partial<RecordOf<C>>,
    options: ConditionalRecordWriteOptions = {},
  ): Promise<RecordOf<C>> {
    return attempt(() => {
      const timing = timingAmong(options, CONDITIONAL_RECORD_WRITE_NAMES);
      const lifetime = checkLifetime(options);
      const cas = casOf(options);
      const store = this.#store;
      const bytes = checkKey(store, key);
      const checked = checkChanges(store, changes);
      return this.#write('update', bytes, timing, (scope) =>
        update(scope, store, bytes, checked, lifetime, cas),
      );
    });
  }

  remove(key: KeyOf<C>, options: ConditionalOptions = {}): Promise<boolean> {
    return attempt(() => {
      const timing = timingAmong(options, CONDITIONAL_NAMES);
      const cas = casOf(options);
      const store = this.#store;
      const bytes = checkKey(store, key);
      const run = (scope: Scope): boolean => remove(scope, store, bytes, cas);
      return this.#executor.write({ name: 'remove', store, key: bytes, timing, run });
    });
  }

  deleteAll(options: OperationOptions = {}): Promise<number> {
    return attempt(() => {
      const timing = timingAmong(options, OPERATION_NAMES);
      const store = this.#store;
      const run = (scope: Scope): number => removeAll(scope, store);
      return this.#executor.write({ name: 'deleteAll', store, key: undefined, timing, run });
    });
  }

  find<const Name extends IndexNames<C> | undefined = undefined>(
    options: FindOptions<C, Name> = {},
  ): Query<RecordOf<C>> {
    return new Found<RecordOf<C>>(this.#executor, this.#store, rangeOf(this.#store, options));
  }

  async #read<T>(
    key: unknown,
    options: OperationOptions | undefined,
    result: (stored: Stored | undefined) => T,
  ): Promise<T> {
    const timing = options === undefined ? UNTIMED : timingAmong(options, OPERATION_NAMES);
    if (timing.signal?.aborted) throw timing.signal.reason;
    const stored = this.#executor.read(this.#store, checkKey(this.#store, key), timing);
    return result(stored instanceof Promise ? await stored : stored);
  }

  #write(
    name: string,
    key: Buffer | undefined,
    timing: Timing,
    run: (scope: Scope) => AnyRecord,
  ): Promise<RecordOf<C>> {
    const write = { name, store: this.#store, key, timing, run };
    return this.#executor.write(write) as Promise<RecordOf<C>>;
  }
}

/** Turns a thrown argument error into a rejection: operations on classes are always asynchronous. */
function attempt<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return operation();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The number of records to decode before yielding. */
const PAGE = 256;

class Found<R> implements Query<R> {
  readonly #executor: RecordExecutor;
  readonly #store: ClassStore;
  readonly #range: Range;

  constructor(executor: RecordExecutor, store: ClassStore, range: Range) {
    this.#executor = executor;
    this.#store = store;
    this.#range = range;
  }

  [Symbol.asyncIterator](): AsyncGenerator<R, void, undefined> {
    return this.#loop(this.#executor.placeOfCall());
  }

  async *#loop(place: string | undefined): AsyncGenerator<R, void, undefined> {
    const found = await this.#executor.scan(this.#store, this.#range, place);
    try {
      for (let i = 1, each = found.next(); !each.done; each = found.next(), i += 1) {
        yield each.value.record as R;
        if (i % PAGE === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      found.return?.();
    }
  }

  all(): Promise<R[]> {
    return this.#executor.reading(this.#all());
  }

  first(): Promise<R | undefined> {
    return this.#executor.reading(this.#first());
  }

  count(): Promise<number> {
    return this.#executor.reading(this.#count());
  }

  async #all(): Promise<R[]> {
    const records: R[] = [];
    await this.#forEach((record) => records.push(record));
    return records;
  }

  async #first(): Promise<R | undefined> {
    for await (const record of this.#loop(undefined)) return record;
    return undefined;
  }

  async #count(): Promise<number> {
    let count = 0;
    await this.#forEach(() => {
      count += 1;
    });
    return count;
  }

  /** A loop that does not need a promise for each record. */
  async #forEach(take: (record: R) => void): Promise<void> {
    const found = await this.#executor.scan(this.#store, this.#range);
    try {
      for (let i = 1, each = found.next(); !each.done; each = found.next(), i += 1) {
        take(each.value.record as R);
        if (i % PAGE === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      found.return?.();
    }
  }
}

function versioned<C extends ClassDefinition>({ record, version, expiresAt }: Stored): VersionedRecord<C> {
  return {
    value: record as RecordOf<C>,
    cas: joinWords(version.high, version.low),
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
  };
}

const UNTIMED: Timing = { timeout: undefined, signal: undefined };

function timingAmong(options: OperationOptions, known: ReadonlySet<string>): Timing {
  checkOptions(options, known);
  return timingOf(options);
}

export function timingOf({ timeout, signal }: OperationOptions): Timing {
  return {
    timeout: timeout === undefined ? undefined : checkTimeout(timeout),
    signal: signal === undefined ? undefined : checkSignal(signal),
  };
}

function casOf({ cas }: ConditionalOptions): Version | undefined {
  if (cas === undefined) return undefined;
  if (typeof cas !== 'bigint' || cas <= 0n || cas > 0xffff_ffff_ffff_ffffn)
    throw invalidArgument('cas', `cas is a bigint from a record, not ${shown(cas)}`);
  return { high: Number(cas >> 32n), low: Number(cas & 0xffff_ffffn) };
}
