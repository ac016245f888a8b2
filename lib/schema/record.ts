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

/** The value type of a field. */
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

/** A record as read: optional fields are optional properties; an autoid is present. */
export type RecordOf<C extends ClassDefinition> = ObjectOf<C['fields']>;

/** A record to insert: the autoid may be omitted. */
export type InsertOf<C extends ClassDefinition> = ObjectOf<C['fields'], OptionalField | AutoidField>;

/** The key of a class: the value of its field, or an array of the values of its fields. */
export type KeyOf<C extends ClassDefinition> = KeyValue<C, C['key']>;

/** The names of the events of a class. */
export type EventNames<C extends ClassDefinition> = C['events'][number]['name'];

/** The fields of a class with their own update events. */
export type UpdatedFields<C extends ClassDefinition> = Extract<
  C['events'][number],
  { readonly kind: 'fieldUpdate' }
>['field'];

/** The object type of some fields; those that may be absent are optional properties. */
type ObjectOf<Fields extends FieldMap, MayBeAbsent extends Field = OptionalField> = Flat<
  { -readonly [F in keyof Fields as Fields[F] extends MayBeAbsent ? never : F]: ValueOf<Fields[F]> } & {
    -readonly [F in keyof Fields as Fields[F] extends MayBeAbsent ? F : never]?: ValueOf<Fields[F]>;
  }
>;
type Flat<T> = { [K in keyof T]: T[K] };
// A separate type parameter for the key, so that an array of names becomes an array of values.
type KeyValue<C extends ClassDefinition, Key> = Key extends readonly string[]
  ? { readonly [I in keyof Key]: FieldValue<C, Key[I]> }
  : FieldValue<C, Key>;
type FieldValue<C extends ClassDefinition, F> = F extends keyof C['fields'] ? ValueOf<C['fields'][F]> : never;
