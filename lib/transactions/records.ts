import type { ClassDefinition } from '../schema/class';
import type { IndexedField } from '../schema/indexes';
import type { InsertOf, KeyOf, RecordOf, ValueOf } from '../schema/record';
import type { ExpiryOptions } from './expiry';
import type { ConditionalOptions, OperationOptions } from './options';

/** How a record is written. `ttl` and `expiresAt` take the place of the class's own age; `ttl: 0` means never. */
export interface RecordWriteOptions extends OperationOptions, ExpiryOptions {}

/** A write that may depend on the version of the record. */
export interface ConditionalRecordWriteOptions extends RecordWriteOptions, ConditionalOptions {}

/** A record with what is kept beside it. */
export interface VersionedRecord<C extends ClassDefinition> {
  readonly value: RecordOf<C>;
  /** Give it to a later write as `cas` to make that conditional. Unsigned, 64 bits. */
  readonly cas: bigint;
  /** When it expires; undefined: never by itself. */
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

/** A bound of a range: the value of the first field, or the values of the first fields as an array. */
export type Bound<C extends ClassDefinition, Name = undefined> =
  | FieldValueOf<C, FieldNamesOf<C, Name>>
  | readonly FieldValueOf<C, FieldNamesOf<C, Name>>[];

/**
 * Which records to find, and in which order: that of the index, without one that of the key. Bounds are values of the
 * first field, or arrays of values of the first fields; `from` and `to` are included, `after` and `before` are not.
 * A bound that is given and undefined is refused; `equals` finds the records without a value, where the field is optional.
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
 * Records to be found, as they are when the first is asked for. A loop over them ends what it holds when it is left; one
 * that is neither ended nor left keeps the state it sees from being given back to the file, which grows, until it is collected.
 */
export interface Query<R> extends AsyncIterable<R> {
  all(): Promise<R[]>;
  first(): Promise<R | undefined>;
  count(): Promise<number>;
}

/**
 * The records of a class, on an embedded database or in one of its transactions.
 *
 * A key is the value of the key's field, or an array of values where the key has several. A record or key that is not as
 * the class declares rejects with ValidationError. Reads see what the same database has been asked to write before.
 */
export interface Records<C extends ClassDefinition> {
  readonly definition: C;
  /** The record; undefined when there is none. */
  get(key: KeyOf<C>, options?: OperationOptions): Promise<RecordOf<C> | undefined>;
  /** The record with its version and its moment of expiry; undefined when there is none. */
  getRecord(key: KeyOf<C>, options?: OperationOptions): Promise<VersionedRecord<C> | undefined>;
  exists(key: KeyOf<C>, options?: OperationOptions): Promise<boolean>;
  /** Writes a new record and resolves to it, its autoid included; KeyExistsError when its key, or a value of a unique index, is taken. */
  insert(record: InsertOf<C>, options?: RecordWriteOptions): Promise<RecordOf<C>>;
  /** Writes the record whether or not there is one of its key. */
  upsert(record: RecordOf<C>, options?: ConditionalRecordWriteOptions): Promise<RecordOf<C>>;
  /** Changes the fields given; undefined takes an optional one away. KeyNotFoundError when there is no record. */
  update(
    key: KeyOf<C>,
    changes: Partial<RecordOf<C>>,
    options?: ConditionalRecordWriteOptions,
  ): Promise<RecordOf<C>>;
  /** Whether there was a record to remove. */
  remove(key: KeyOf<C>, options?: ConditionalOptions): Promise<boolean>;
  /** Removes all records of the class at once, with one event however many they are; resolves to their number. */
  deleteAll(options?: OperationOptions): Promise<number>;
  find<const Name extends IndexNames<C> | undefined = undefined>(
    options?: FindOptions<C, Name>,
  ): Query<RecordOf<C>>;
}
