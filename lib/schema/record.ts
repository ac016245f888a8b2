import type { ClassDefinition } from './class';
import type {
  AutoidField,
  EnumerationField,
  Field,
  FieldMap,
  OptionalField,
  ScalarField,
  ScalarValues,
  StructField,
  VectorField,
} from './field';

/** What a field holds. */
export type ValueOf<F extends Field> =
  F extends OptionalField<infer Of>
    ? ValueOf<Of> | undefined
    : F extends VectorField<infer Of>
      ? readonly ValueOf<Of>[]
      : F extends StructField<infer Members>
        ? ObjectOf<Members>
        : F extends EnumerationField<infer V>
          ? V
          : F extends ScalarField<infer K>
            ? ScalarValues[K]
            : F extends AutoidField
              ? bigint
              : F extends { readonly kind: 'string' }
                ? string
                : Uint8Array;

/** A record as it is read: optional fields are optional properties, an autoid is there. */
export type RecordOf<C extends ClassDefinition> = ObjectOf<C['fields']>;

/** A record as it is inserted: an autoid may be left to the database. */
export type InsertOf<C extends ClassDefinition> = ObjectOf<C['fields'], OptionalField | AutoidField>;

/** The key of a class: the value of its field, or the values of its fields as an array. */
export type KeyOf<C extends ClassDefinition> = KeyValue<C, C['key']>;

/** The names of the events of a class. */
export type EventNames<C extends ClassDefinition> = C['events'][number]['name'];

/** The fields of a class whose updates are events of their own. */
export type UpdatedFields<C extends ClassDefinition> = Extract<
  C['events'][number],
  { readonly kind: 'fieldUpdate' }
>['field'];

/** The object of some fields, with those that may be absent as optional properties. */
type ObjectOf<Fields extends FieldMap, MayBeAbsent extends Field = OptionalField> = Flat<
  { -readonly [F in keyof Fields as Fields[F] extends MayBeAbsent ? never : F]: ValueOf<Fields[F]> } & {
    -readonly [F in keyof Fields as Fields[F] extends MayBeAbsent ? F : never]?: ValueOf<Fields[F]>;
  }
>;
type Flat<T> = { [K in keyof T]: T[K] };
// With the key as a parameter of its own, so that an array of names becomes an array of values.
type KeyValue<C extends ClassDefinition, Key> = Key extends readonly string[]
  ? { readonly [I in keyof Key]: FieldValue<C, Key[I]> }
  : FieldValue<C, Key>;
type FieldValue<C extends ClassDefinition, F> = F extends keyof C['fields'] ? ValueOf<C['fields'][F]> : never;
