import { checkOptions, invalidArgument, shown } from '../arguments';
import { excerpt } from '../text';
import { type ClassDefinition, checkClass, makeClass } from './class';
import { declareWhole, type EventDeclaration, isWholeKind, onFieldUpdate } from './events';
import { DEEPEST } from './extent';
import { enumerationOf, type Field, type FieldMap, field, type MemberMap, type PresentField } from './field';
import { type Index, type IndexedField, makeIndex } from './indexes';
import type { TimeToLive } from './ttl';

/** The type of a field as JSON. */
export type FieldDescription =
  | Exclude<Field, { readonly kind: 'optional' | 'vector' | 'struct' }>
  | { readonly kind: 'optional'; readonly of: FieldDescription }
  | { readonly kind: 'vector'; readonly of: FieldDescription; readonly length?: number }
  | { readonly kind: 'struct'; readonly fields: readonly NamedField[] };

export interface NamedField {
  readonly name: string;
  readonly type: FieldDescription;
}

/**
 * A class as plain JSON in canonical order: fields as declared, indexes and events by name. Equivalent classes have
 * equal descriptions.
 */
export interface ClassDescription {
  readonly name: string;
  readonly key: string | readonly string[];
  readonly fields: readonly NamedField[];
  readonly indexes: readonly (Index & { readonly name: string })[];
  readonly events: readonly { readonly name: string; readonly kind: string; readonly field?: string }[];
  readonly ttl?: TimeToLive;
}

export function describeClass(definition: ClassDefinition): ClassDescription {
  const { name, key, fields, indexes, events, ttl } = checkClass(definition);
  return {
    name,
    key: typeof key === 'string' ? key : [...key],
    fields: describeFields(fields),
    indexes: Object.entries(indexes)
      .map(([name, { type, unique, fields }]) => ({
        name,
        type,
        unique,
        fields: fields.map(({ field, order }) => ({ field, order })),
      }))
      .sort(byName),
    events: events
      .map((event) =>
        event.kind === 'fieldUpdate'
          ? { name: event.name, kind: event.kind, field: event.field }
          : { name: event.name, kind: event.kind },
      )
      .sort(byName),
    ...(ttl && { ttl: { ...ttl } }),
  };
}

/**
 * The class of a description; the inverse of {@link describeClass}.
 *
 * @throws InvalidArgumentError for an invalid description (`context.argument` says where), or one of a class that
 * cannot exist.
 */
export function classFromDescription(description: ClassDescription): ClassDefinition {
  const { name, key, fields, indexes, events, ttl } = properties(description, 'description', [
    'name',
    'key',
    'fields',
    'indexes',
    'events',
    'ttl',
  ]);
  return makeClass(name as string, {
    key: key as string,
    fields: fieldsFrom(fields, 'description.fields', 0),
    indexes: named(
      list(indexes, 'description.indexes').map((each, position) =>
        indexFrom(each, `description.indexes[${position}]`),
      ),
      'description.indexes',
    ),
    events: list(events, 'description.events').map((each, position) =>
      eventFrom(each, `description.events[${position}]`),
    ),
    ttl: ttl as TimeToLive | undefined,
  });
}

function describeFields(fields: FieldMap): NamedField[] {
  return Object.entries(fields).map(([name, type]) => ({ name, type: describeField(type) }));
}

function describeField(type: Field): FieldDescription {
  switch (type.kind) {
    case 'optional':
    case 'vector':
      return { ...type, of: describeField(type.of) };
    case 'struct':
      return { kind: 'struct', fields: describeFields(type.fields) };
    case 'enumeration':
      return { kind: 'enumeration', values: [...type.values] };
    default:
      return { ...type };
  }
}

function fieldsFrom(given: unknown, at: string, depth: number): FieldMap {
  const entries = list(given, at).map((each, position) => {
    const { name, type } = properties(each, `${at}[${position}]`, ['name', 'type']);
    return [name, fieldFrom(type, `${at}[${position}].type`, depth + 1)] as const;
  });
  return named(entries, at);
}

/**
 * Input from outside may contain itself, or be deeper than the stack. Up to half of the levels of a valid type may be
 * optional().
 */
function fieldFrom(given: unknown, at: string, depth: number): Field {
  if (depth > 2 * DEEPEST)
    throw invalidArgument('description', `description: it is too deep, or a part of itself: ${excerpt(at)}`);
  const { kind, ...rest } = properties(given, at, ['kind', 'maxLength', 'values', 'of', 'length', 'fields']);
  const only = (...known: string[]): Readonly<Record<string, unknown>> => properties(rest, at, known);
  switch (kind) {
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64':
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
    case 'float32':
    case 'float64':
    case 'boolean':
    case 'datetime':
    case 'autoid':
      only();
      return field[kind]();
    case 'string':
    case 'bytes':
      return field[kind](only('maxLength'));
    case 'enumeration':
      return enumerationOf(list(only('values').values, `${at}.values`) as string[]);
    case 'optional':
      return field.optional(fieldFrom(only('of').of, `${at}.of`, depth + 1) as PresentField);
    case 'vector': {
      const { of, ...options } = only('of', 'length');
      return field.vector(fieldFrom(of, `${at}.of`, depth + 1) as PresentField, options);
    }
    case 'struct':
      return field.struct(fieldsFrom(only('fields').fields, `${at}.fields`, depth) as MemberMap);
    default:
      throw invalidArgument(at, `${at}: there is no field of kind ${shown(kind)}`);
  }
}

function indexFrom(given: unknown, at: string): readonly [unknown, Index] {
  const { name, type, unique, fields } = properties(given, at, ['name', 'type', 'unique', 'fields']);
  if (type !== 'tree' && type !== 'hash')
    throw invalidArgument(at, `${at}: there is no index of type ${shown(type)}`);
  if (typeof unique !== 'boolean')
    throw invalidArgument(at, `${at}.unique is a boolean, not ${shown(unique)}`);
  const indexed = list(fields, `${at}.fields`).map((each, position) =>
    properties(each, `${at}.fields[${position}]`, ['field', 'order']),
  );
  return [name, makeIndex(type, unique, indexed as unknown as IndexedField[])];
}

function eventFrom(given: unknown, at: string): EventDeclaration {
  const { kind, name, ...rest } = properties(given, at, ['name', 'kind', 'field']);
  if (typeof name !== 'string') throw invalidArgument(at, `${at}.name is a string, not ${shown(name)}`);
  if (kind === 'fieldUpdate') return onFieldUpdate(rest.field as string, name);
  properties(rest, at, []);
  if (!isWholeKind(kind)) throw invalidArgument(at, `${at}: there is no event of kind ${shown(kind)}`);
  return declareWhole(kind, name);
}

function named<T>(entries: readonly (readonly [unknown, T])[], at: string): Record<string, T> {
  const names = new Set<unknown>();
  for (const [name] of entries) {
    if (typeof name !== 'string') throw invalidArgument(at, `${at}: a name is a string, not ${shown(name)}`);
    if (names.has(name)) throw invalidArgument(at, `${at}: ${shown(name)} is there twice`);
    names.add(name);
  }
  return Object.fromEntries(entries);
}

function properties(given: unknown, at: string, names: readonly string[]): Readonly<Record<string, unknown>> {
  return checkOptions(given, new Set(names), at);
}

function list(given: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(given)) throw invalidArgument(at, `${at} is an array, not ${shown(given)}`);
  return Array.from<unknown>(given); // without holes, which map() would skip
}

// Not by locale, so that the order is the same on every machine.
function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
