import { optionNames } from '../arguments';
import type { ClassDefinition } from '../schema/class';
import type { IndexedField } from '../schema/indexes';
import type { InsertOf, KeyOf, RecordOf, ValueOf } from '../schema/record';
import type { ExpiryOptions } from './expiry';
import type { ConditionalOptions, OperationOptions } from './options';

/** How to write a record. `ttl` and `expiresAt` replace the time to live of the class; `ttl: 0` means never. */
export interface RecordWriteOptions extends OperationOptions, ExpiryOptions {}

/** A write that may depend on the version of the record. */
export interface ConditionalRecordWriteOptions extends RecordWriteOptions, ConditionalOptions {}

export const RECORD_WRITE_NAMES = optionNames<RecordWriteOptions>({
  timeout: true,
  signal: true,
  ttl: true,
  expiresAt: true,
});
export const CONDITIONAL_RECORD_WRITE_NAMES = optionNames<ConditionalRecordWriteOptions>({
  timeout: true,
  signal: true,
  ttl: true,
  expiresAt: true,
  cas: true,
});

/** A record with its version and expiry. */
export interface VersionedRecord<C extends ClassDefinition> {
  readonly value: RecordOf<C>;
  /** The version; pass it to a later write as `cas` to make that conditional. Unsigned, 64 bits. */
  readonly cas: bigint;
  /** When it expires; undefined: never. */
  readonly expiresAt: Date | undefined;
}

export type IndexNames<C extends ClassDefinition> = keyof C['indexes'] & string;

type FieldNamesOf<C extends ClassDefinition, Name> = Name extends keyof C['indexes']
  ? C['indexes'][Name] extends { readonly fields: readonly IndexedField<infer F>[] }
    ? F
    : never
  : C['key'] extends readonly (infer F)[]
    ? F
    : C['key'];
type FieldValueOf<C extends ClassDefinition, F> = F extends keyof C['fields']
  ? ValueOf<C['fields'][F]>
  : never;

/** A bound of a range: the value of the first field, or an array of values of the first fields. */
export type Bound<C extends ClassDefinition, Name = undefined> =
  | FieldValueOf<C, FieldNamesOf<C, Name>>
  | readonly FieldValueOf<C, FieldNamesOf<C, Name>>[];

/**
 * Which records to find, and in which order: that of the index, or of the key without an index. Bounds are values of
 * the first field or arrays of values of the first fields. `from` and `to` are inclusive, `after` and `before`
 * exclusive. A bound given as undefined is refused, except that `equals: undefined` finds the records without a value
 * where the field is optional.
 */
export interface FindOptions<C extends ClassDefinition, Name extends IndexNames<C> | undefined> {
  readonly index?: Name;
  readonly equals?: Bound<C, Name>;
  readonly from?: Bound<C, Name>;
  readonly after?: Bound<C, Name>;
  readonly to?: Bound<C, Name>;
  readonly before?: Bound<C, Name>;
  readonly reverse?: boolean | undefined;
  readonly limit?: number | undefined;
}

/**
 * A query over the state of the database at the moment its first record is requested. Leaving a loop early releases
 * that state. An iterator that is neither finished nor left keeps the state's pages in use until it is
 * garbage-collected, and the file grows meanwhile.
 */
export interface Query<R> extends AsyncIterable<R> {
  all(): Promise<R[]>;
  first(): Promise<R | undefined>;
  count(): Promise<number>;
}

/**
 * The records of a class, in an embedded database or in one of its transactions.
 *
 * A key is the value of the key field, or an array of values when the key has several fields. A record or key that does
 * not match the class rejects with ValidationError. Reads see all writes requested earlier through the same database.
 */
export interface Records<C extends ClassDefinition> {
  readonly definition: C;
  /** The record; undefined when there is none. */
  get(key: KeyOf<C>, options?: OperationOptions): Promise<RecordOf<C> | undefined>;
  /** The record with its version and expiry; undefined when there is none. */
  getRecord(key: KeyOf<C>, options?: OperationOptions): Promise<VersionedRecord<C> | undefined>;
  exists(key: KeyOf<C>, options?: OperationOptions): Promise<boolean>;
  /**
   * Writes a new record and resolves to it, including its autoid. KeyExistsError when its key or a value of a unique
   * index is taken.
   */
  insert(record: InsertOf<C>, options?: RecordWriteOptions): Promise<RecordOf<C>>;
  /** Writes the record, whether or not its key exists. */
  upsert(record: RecordOf<C>, options?: ConditionalRecordWriteOptions): Promise<RecordOf<C>>;
  /** Changes the given fields; undefined removes an optional one. KeyNotFoundError when there is no record. */
  update(
    key: KeyOf<C>,
    changes: Partial<RecordOf<C>>,
    options?: ConditionalRecordWriteOptions,
  ): Promise<RecordOf<C>>;
  /** Resolves to whether there was a record to remove. */
  remove(key: KeyOf<C>, options?: ConditionalOptions): Promise<boolean>;
  /** Removes all records of the class at once, with a single event. Resolves to their number. */
  deleteAll(options?: OperationOptions): Promise<number>;
  find<const Name extends IndexNames<C> | undefined = undefined>(
    options?: FindOptions<C, Name>,
  ): Query<RecordOf<C>>;
}
