import { checkOptions, invalidArgument, optionNames, shown } from '../arguments';
import type { EventDeclaration, EventDefinition, NamedEvents } from './events';
import { nameEvents } from './events';
import type { Field, FieldMap, OptionalField, OrderedField } from './field';
import { checkFields } from './field';
import type { IndexMap } from './indexes';
import { checkIndexes, checkOrderedFields } from './indexes';
import { Made } from './made';
import { checkName } from './names';
import { checkTimeToLive, type TimeToLive } from './ttl';

/** A class of records. Frozen, and created only by defineClass(). */
export interface ClassDefinition<
  Name extends string = string,
  Fields extends FieldMap = FieldMap,
  Key extends string | readonly string[] = string | readonly string[],
  Indexes extends IndexMap = IndexMap,
  Events extends readonly EventDefinition[] = readonly EventDefinition[],
> {
  readonly name: Name;
  /** In the order in which records are stored and shown. */
  readonly fields: Fields;
  readonly key: Key;
  readonly indexes: Indexes;
  readonly events: Events;
  readonly ttl: TimeToLive | undefined;
}

/** Names of fields that can be in a key: ordered types that are never absent. */
export type KeyField<Fields extends FieldMap> = NamesOf<Fields, OrderedField>;
/** Names of fields that can be in an index: ordered types. */
export type IndexField<Fields extends FieldMap> = NamesOf<
  Fields,
  OrderedField | OptionalField<OrderedPresent>
>;
/** Names of fields that can have their own update event: all except vectors. */
export type UpdateField<Fields extends FieldMap> = {
  [F in keyof Fields]: Fields[F] extends VectorLike ? never : F;
}[keyof Fields] &
  string;

type OrderedPresent = Exclude<OrderedField, { readonly kind: 'autoid' }>;
type VectorLike = { readonly kind: 'vector' } | { readonly of: { readonly kind: 'vector' } };
type NamesOf<Fields extends FieldMap, Kind extends Field> = {
  [F in keyof Fields]: Fields[F] extends Kind ? F : never;
}[keyof Fields] &
  string;

const classes = new Made<ClassDefinition>();

/**
 * Declares a class: its fields, its key (a field name or an array of names), its secondary indexes, its events and its
 * Time-To-Live. The types of records, keys and events are inferred, see {@link RecordOf}.
 *
 * Limits: 10,000 fields, counting those of a struct wherever it is used; 64 levels of structs and vectors; 64 fields in
 * a key or an index; 255 characters in a name.
 *
 * @throws InvalidArgumentError whose `context.argument` names what is wrong, such as `indexes.byMail` or `events[2]`.
 */
export function defineClass<
  Name extends string,
  Fields extends FieldMap,
  const Key extends KeyField<Fields> | readonly [KeyField<Fields>, ...KeyField<Fields>[]],
  Indexes extends IndexMap<IndexField<Fields>> = Record<never, never>,
  const Events extends readonly EventDeclaration<UpdateField<Fields>>[] = readonly [],
>(
  name: Name,
  definition: {
    readonly key: Key;
    readonly fields: Fields;
    readonly indexes?: Indexes | undefined;
    readonly events?: Events | undefined;
    readonly ttl?: TimeToLive | undefined;
  },
): ClassDefinition<Name, Fields, Key, Indexes, NamedEvents<Name, Events>> {
  return makeClass(name, definition) as ClassDefinition<
    Name,
    Fields,
    Key,
    Indexes,
    NamedEvents<Name, Events>
  >;
}

/** A definition whose names the compiler has not checked. */
export interface UncheckedDefinition {
  readonly key: string | readonly string[];
  readonly fields: FieldMap;
  readonly indexes?: IndexMap | undefined;
  readonly events?: readonly EventDeclaration[] | undefined;
  readonly ttl?: TimeToLive | undefined;
}

const DEFINITION = optionNames<UncheckedDefinition>({
  key: true,
  fields: true,
  indexes: true,
  events: true,
  ttl: true,
});

/** defineClass() for names that come from outside the program. */
export function makeClass(name: string, definition: UncheckedDefinition): ClassDefinition {
  checkName(name, 'name');
  checkOptions(definition, DEFINITION, 'definition');
  const { indexes = {}, events = [], ttl } = definition;
  const fields = checkFields(definition.fields);
  const autoids = Object.keys(fields).filter((each) => fields[each]?.kind === 'autoid');
  if (autoids[1] !== undefined) {
    throw invalidArgument(
      `fields.${autoids[1]}`,
      `fields: ${autoids.join(' and ')} are autoids, one is allowed`,
    );
  }
  return classes.make({
    name,
    fields,
    key: checkKey(definition.key, fields),
    indexes: checkIndexes(indexes, fields),
    events: nameEvents(name, events, fields),
    ttl: ttl === undefined ? undefined : checkTimeToLive(ttl),
  });
}

/** Returns the class; throws InvalidArgumentError naming `argument` for anything that defineClass() did not create. */
export function checkClass(given: ClassDefinition, argument = 'class'): ClassDefinition {
  if (!classes.has(given))
    throw invalidArgument(argument, `${argument}: a class is made by defineClass(), not ${shown(given)}`);
  return given;
}

function checkKey(key: string | readonly string[], fields: FieldMap): string | readonly string[] {
  const names: readonly string[] = typeof key === 'string' ? [key] : key;
  if (!Array.isArray(names))
    throw invalidArgument('key', `key is the name of a field or an array of names, not ${shown(key)}`);
  checkOrderedFields(names, fields, 'key');
  const absent = names.find((name) => fields[name]?.kind === 'optional');
  if (absent !== undefined) throw invalidArgument('key', `key: ${absent} is optional, a key is never absent`);
  return typeof key === 'string' ? key : Object.freeze([...key]);
}
