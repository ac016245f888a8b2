import { checkOptions, invalidArgument, shown } from '../arguments';
import { checkExtent, type Extent, extentOf, keepExtent, SIMPLE } from './extent';
import { Made } from './made';
import { checkName } from './names';

/** The kinds without parameters, and their JavaScript types. */
export interface ScalarValues {
  uint8: number;
  uint16: number;
  uint32: number;
  uint64: bigint;
  int8: number;
  int16: number;
  int32: number;
  int64: bigint;
  float32: number;
  float64: number;
  boolean: boolean;
  datetime: Date;
}

export type ScalarKind = keyof ScalarValues;

export interface ScalarField<K extends ScalarKind = ScalarKind> {
  readonly kind: K;
}

export interface StringField {
  readonly kind: 'string';
  /** In UTF-16 code units, as `length` counts them. */
  readonly maxLength?: number;
}

export interface BytesField {
  readonly kind: 'bytes';
  /** In bytes. */
  readonly maxLength?: number;
}

export interface EnumerationField<V extends string = string> {
  readonly kind: 'enumeration';
  readonly values: readonly V[];
}

export interface VectorField<Of extends PresentField = PresentField> {
  readonly kind: 'vector';
  readonly of: Of;
  /** The number of elements, if fixed. */
  readonly length?: number;
}

export interface StructField<Members extends MemberMap = MemberMap> {
  readonly kind: 'struct';
  readonly fields: Members;
}

export interface OptionalField<Of extends PresentField = PresentField> {
  readonly kind: 'optional';
  readonly of: Of;
}

/** A number assigned at insert; no other record of the class is assigned the same. */
export interface AutoidField {
  readonly kind: 'autoid';
}

/** Types that a vector or an optional field may have. */
export type PresentField =
  | ScalarField
  | StringField
  | BytesField
  | EnumerationField
  | VectorField
  | StructField;
/** Types that a struct may have. */
export type MemberField = PresentField | OptionalField;
/** Types that a class may have. */
export type Field = MemberField | AutoidField;
/** Types that keys and indexes may have: those with an order. */
export type OrderedField = ScalarField | StringField | EnumerationField | AutoidField;

export type MemberMap = Readonly<Record<string, MemberField>>;
export type FieldMap = Readonly<Record<string, Field>>;

export interface LengthOptions {
  readonly maxLength?: number | undefined;
}

const fields = new Made<Field>();
function make<Type extends Field>(type: Type): Type {
  keepExtent(type, measured(type));
  return fields.make(type);
}
const scalar = <K extends ScalarKind>(kind: K): ScalarField<K> => make({ kind });

/** The field types. Each call returns a frozen description of the type; a bad argument throws InvalidArgumentError. */
export const field = {
  uint8: () => scalar('uint8'),
  uint16: () => scalar('uint16'),
  uint32: () => scalar('uint32'),
  /** 0n … 2n ** 64n - 1n. */
  uint64: () => scalar('uint64'),
  int8: () => scalar('int8'),
  int16: () => scalar('int16'),
  int32: () => scalar('int32'),
  int64: () => scalar('int64'),
  /** Rounded to single precision when written. Like float64, never NaN, which has no order. */
  float32: () => scalar('float32'),
  float64: () => scalar('float64'),
  boolean: () => scalar('boolean'),
  /** A Date, with millisecond precision. */
  datetime: () => scalar('datetime'),

  /** Well-formed Unicode text; `maxLength` counts UTF-16 code units, like `length`. */
  string: (options: LengthOptions = {}): StringField =>
    make({ kind: 'string', ...checkLength(options, 'maxLength') }),

  /** A Uint8Array; `maxLength` counts bytes. Read back as a Buffer. */
  bytes: (options: LengthOptions = {}): BytesField =>
    make({ kind: 'bytes', ...checkLength(options, 'maxLength') }),

  /** One of the given strings. */
  enumeration<V extends string>(...values: readonly [V, ...V[]]): EnumerationField<V> {
    return enumerationOf<V>(values);
  },

  /** A value or undefined; the property may also be absent. */
  optional<Of extends PresentField>(of: Of): OptionalField<Of> {
    return make({ kind: 'optional', of: checkPresent(of) });
  },

  /** An array without holes; `length` fixes its number of elements. */
  vector<Of extends PresentField>(
    of: Of,
    options: { readonly length?: number | undefined } = {},
  ): VectorField<Of> {
    return make({ kind: 'vector', of: checkPresent(of), ...checkLength(options, 'length') });
  },

  /** An object with exactly the given properties. */
  struct<Members extends MemberMap>(members: Members): StructField<Members> {
    const checked = checkFields(members);
    for (const [name, member] of Object.entries<Field>(checked)) {
      if (member.kind === 'autoid') {
        throw invalidArgument(
          `fields.${name}`,
          `fields.${name}: only a class has an autoid, a struct has not`,
        );
      }
    }
    return make({ kind: 'struct', fields: checked });
  },

  /**
   * A bigint that insert assigns unless one is given; assigned numbers are never reused. Given numbers are unique only
   * if the field is the key or has a unique index. At most one for each class.
   */
  autoid: (): AutoidField => make({ kind: 'autoid' }),
};

/** field.enumeration() of a list, which may be longer than an argument list. */
export function enumerationOf<V extends string>(values: readonly V[]): EnumerationField<V> {
  checkValues(values);
  return make({ kind: 'enumeration', values: Object.freeze([...values]) });
}

/**
 * A frozen copy of the fields of a class or struct. Throws InvalidArgumentError (`fields`, `fields.name`) for invalid
 * ones.
 */
export function checkFields<Fields extends FieldMap>(given: Fields): Fields {
  if (typeof given !== 'object' || given === null) {
    throw invalidArgument('fields', `fields is an object of fields, not ${shown(given)}`);
  }
  const entries = Object.entries(given);
  if (entries.length === 0) throw invalidArgument('fields', 'fields is empty');
  for (const [name, each] of entries) {
    checkName(name, `fields.${name}`);
    if (!fields.has(each)) {
      throw invalidArgument(`fields.${name}`, `fields.${name} is made by field.…(), not ${shown(each)}`);
    }
  }
  checkExtent('fields', Object.values(given));
  return Object.freeze({ ...given });
}

/** The field with an unchecked name. */
export function fieldNamed(name: unknown, fields: FieldMap): Field | undefined {
  return typeof name === 'string' && Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** The type of the field's value when it is present. */
export function withoutOptional(type: Field): PresentField | AutoidField {
  return type.kind === 'optional' ? type.of : type;
}

export function isOrdered(type: Field): type is OrderedField {
  return !['bytes', 'vector', 'struct', 'optional'].includes(type.kind);
}

function measured(type: Field): Extent {
  switch (type.kind) {
    case 'struct':
      return checkExtent('fields', Object.values(type.fields));
    case 'vector':
      return checkExtent('of', [type.of]);
    case 'optional':
      return extentOf(type.of);
    case 'enumeration':
      return { ...SIMPLE, values: type.values.length };
    default:
      return SIMPLE;
  }
}

function checkPresent<Of extends Field>(of: Of): Of {
  if (!fields.has(of)) throw invalidArgument('of', `of is made by field.…(), not ${shown(of)}`);
  const { kind } = of;
  if (kind === 'optional' || kind === 'autoid') {
    throw invalidArgument(
      'of',
      `of: an ${kind} field is a member of its class or struct and of nothing else`,
    );
  }
  return of;
}

function checkLength<Name extends string>(options: object, name: Name): { readonly [N in Name]?: number } {
  const length = checkOptions(options, new Set([name]))[name];
  if (length === undefined) return {};
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 1) {
    throw invalidArgument(name, `${name} is an integer, 1 or more, not ${shown(length)}`);
  }
  return { [name]: length } as { readonly [N in Name]?: number };
}

/** Limited by keys, which store the place of a value in 16 bits. */
export const MOST_VALUES = 2 ** 16;

function checkValues(values: readonly unknown[]): void {
  if (values.length === 0) throw invalidArgument('values', 'values: an enumeration has at least one');
  for (const value of values) {
    if (typeof value !== 'string') {
      throw invalidArgument('values', `values: an enumeration is of strings, not ${shown(value)}`);
    }
    if (!value.isWellFormed()) {
      throw invalidArgument(
        'values',
        `values: ${shown(value)} has a lone surrogate, which UTF-8 cannot encode`,
      );
    }
  }
  if (values.length > MOST_VALUES)
    throw invalidArgument(
      'values',
      `values: an enumeration has at most ${MOST_VALUES}, not ${values.length}`,
    );
  const known = new Set<unknown>();
  const twice = values.find((value) => known.size === known.add(value).size);
  if (twice !== undefined) throw invalidArgument('values', `values: ${shown(twice)} is given twice`);
}
