import { isDate, isUint8Array } from 'node:util/types';
import { shown } from '../arguments';
import { ValidationError } from '../errors';
import { copyOf, lengthOf } from '../foreign';
import { excerpt, shorten } from '../text';
import { type ClassDefinition, checkClass } from './class';
import type { Field, FieldMap, VectorField } from './field';
import type { InsertOf } from './record';

const INTEGERS = {
  uint8: [0, 0xff],
  uint16: [0, 0xffff],
  uint32: [0, 0xffff_ffff],
  int8: [-0x80, 0x7f],
  int16: [-0x8000, 0x7fff],
  int32: [-0x8000_0000, 0x7fff_ffff],
} as const;
const BIG_INTEGERS = {
  uint64: [0n, 2n ** 64n - 1n],
  autoid: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;
/** The fields of a class or struct as a list, computed once: declarations are immutable. */
const LISTS = new WeakMap<FieldMap, readonly (readonly [string, Field])[]>();
/** The limit for texts and bytes in a record; beyond it, an engine could not even report the error. */
const LARGEST_RECORD = 2 ** 30;
/** The largest number of UTF-8 bytes for a UTF-16 code unit. */
const LARGEST_UNIT = 3;
/** Limits for messages. */
const LONGEST_STEP = 80;
const MOST_LISTED = 20;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Checks and copies a record. Throws ValidationError with the `path` of the first invalid value: another type, out of
 * range, too long, not of the enumeration, NaN, text with half a surrogate pair, an invalid Date, a hole in an array,
 * null, a missing or unknown property; or the value that makes the record larger than 1 GiB. ±Infinity is a valid
 * float.
 *
 * The copy shares nothing with the argument and has all fields in class order: absent ones are undefined, -0 is 0,
 * float32 is rounded to what is stored, and bytes are a Buffer. Every property is read once. Only own properties count,
 * whatever the prototype.
 */
export function validate<C extends ClassDefinition>(definition: C, record: unknown): InsertOf<C> {
  const { name, fields } = checkClass(definition);
  return copyObject(fields, record, new Path(name)) as InsertOf<C>;
}

/** Checks a field value outside a record, in a key or a filter; messages call it `path`. */
export function validateValue(className: string, path: string, type: Field, value: unknown): unknown {
  const at = new Path(className);
  at.step = path;
  return copy(type, value, at);
}

/** The path of a value within its record. `step` changes as validation proceeds; the text is built only for errors. */
class Path {
  step: string | number = '';
  readonly #root: Path;
  #size = 0;

  constructor(
    readonly className: string,
    readonly parent?: Path,
  ) {
    this.#root = parent === undefined ? this : parent.#root;
  }

  /** Counts bytes that are, or may become, part of the record. */
  count(bytes: number): void {
    const root = this.#root;
    root.#size += bytes;
    if (root.#size > LARGEST_RECORD) this.fail(`makes the record larger than ${LARGEST_RECORD} bytes`);
  }

  toString(): string {
    const before = this.parent?.toString() ?? '';
    if (typeof this.step === 'number') return `${before}[${this.step}]`;
    const step = shorten(this.step, LONGEST_STEP); // an unknown property may have any name
    return before === '' ? step : `${before}.${step}`;
  }

  fail(problem: string): never {
    const path = this.toString();
    const message = `${this.className}: ${path === '' ? 'the record' : path} ${problem}`;
    throw new ValidationError(message, { context: { path } });
  }

  expected(what: string, value: unknown): never {
    this.fail(value === undefined ? 'is missing' : `is ${what}, not ${shown(value)}`);
  }
}

function copy(type: Field, value: unknown, path: Path): unknown {
  switch (type.kind) {
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'int8':
    case 'int16':
    case 'int32': {
      const [low, high] = INTEGERS[type.kind];
      if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high)
        path.expected(`an integer from ${low} to ${high} (${type.kind})`, value);
      return value + 0;
    }
    case 'uint64':
    case 'int64':
    case 'autoid': {
      if (value === undefined && type.kind === 'autoid') return undefined;
      const [low, high] = BIG_INTEGERS[type.kind];
      if (typeof value !== 'bigint' || value < low || value > high)
        path.expected(`a bigint from ${low}n to ${high}n (${type.kind})`, value);
      return value;
    }
    case 'float32':
    case 'float64':
      return copyFloat(type.kind, value, path);
    case 'boolean':
      if (typeof value !== 'boolean') path.expected('a boolean', value);
      return value;
    case 'datetime':
      return copyDate(value, path);
    case 'string':
      if (typeof value !== 'string') path.expected('a string', value);
      checkLength(value.length, type.maxLength, 'UTF-16 code units', path);
      path.count(value.length * LARGEST_UNIT);
      // UTF-8 cannot encode it, so it would be read back as another text.
      if (LONE_SURROGATE.test(value)) path.fail('is no well-formed text: it has half a surrogate pair');
      return value;
    case 'bytes':
      if (!isUint8Array(value)) path.expected('a Uint8Array', value);
      checkLength(lengthOf(value), type.maxLength, 'bytes', path);
      path.count(lengthOf(value));
      return copyOf(value);
    case 'enumeration':
      if (!(type.values as readonly unknown[]).includes(value))
        path.expected(`one of ${listed(type.values)}`, value);
      return value;
    case 'optional':
      return value === undefined ? undefined : copy(type.of, value, path);
    case 'vector':
      return copyArray(type, value, path);
    case 'struct':
      return copyObject(type.fields, value, path);
  }
}

function copyFloat(kind: 'float32' | 'float64', value: unknown, path: Path): number {
  if (typeof value !== 'number' || Number.isNaN(value)) path.expected(`a number (${kind})`, value);
  const stored = kind === 'float32' ? Math.fround(value) : value;
  if (!Number.isFinite(stored) && Number.isFinite(value)) path.fail(`is too large for ${kind}: ${value}`);
  return stored + 0;
}

function copyDate(value: unknown, path: Path): Date {
  if (!isDate(value)) path.expected('a Date', value);
  const time = Date.prototype.getTime.call(value);
  if (Number.isNaN(time)) path.fail('is an invalid Date');
  return new Date(time);
}

function copyArray({ of, length }: VectorField, value: unknown, path: Path): unknown[] {
  if (!Array.isArray(value)) path.expected('an array', value);
  const count = value.length;
  if (length !== undefined && count !== length) path.fail(`has ${length} elements, not ${count}`);
  const elements: unknown[] = [];
  const below = new Path(path.className, path);
  for (let index = 0; index < count; index++) {
    below.step = index;
    elements.push(copy(of, value[index], below));
  }
  return elements;
}

function copyObject(fields: FieldMap, value: unknown, path: Path): Record<string, unknown> {
  if (!isRecord(value)) path.expected('an object', value);
  const below = new Path(path.className, path);
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(fields, name)) continue;
    below.step = name;
    below.fail('is no field');
  }
  const record: Record<string, unknown> = {};
  for (const [name, type] of listOf(fields)) {
    below.step = name;
    record[name] = copy(type, Object.hasOwn(value, name) ? value[name] : undefined, below);
  }
  return record;
}

function listOf(fields: FieldMap): readonly (readonly [string, Field])[] {
  let list = LISTS.get(fields);
  if (list === undefined) {
    list = Object.entries(fields);
    LISTS.set(fields, list);
  }
  return list;
}

// Maps, Dates and the like have contents that are not properties and would be lost silently.
export function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === '[object Object]'
  );
}

function listed(values: readonly string[]): string {
  const some = values.slice(0, MOST_LISTED).map((each) => excerpt(each));
  return `${some.join(', ')}${values.length > MOST_LISTED ? ', …' : ''}`;
}

function checkLength(length: number, most: number | undefined, unit: string, path: Path): void {
  if (most !== undefined && length > most) path.fail(`has at most ${most} ${unit}, not ${length}`);
}
