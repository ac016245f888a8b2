import { checkObject, checkOptions, invalidArgument, optionNames, shown } from '../arguments';
import { type FieldMap, fieldNamed, isOrdered, withoutOptional } from './field';
import { Made } from './made';
import { checkName } from './names';

export interface IndexedField<F extends string = string> {
  readonly field: F;
  readonly order: 'asc' | 'desc';
}

/**
 * A way to find records by fields other than the key. A tree is ordered and finds ranges; a hash finds equal values
 * only.
 */
export interface Index<F extends string = string> {
  readonly type: 'tree' | 'hash';
  readonly unique: boolean;
  readonly fields: readonly IndexedField<F>[];
}

export type IndexMap<F extends string = string> = Readonly<Record<string, Index<F>>>;

type Ordering<F extends string> = F | IndexedField<F>;

/** The limit for a key or an index. */
export const MOST_ORDERED_FIELDS = 64;
const ORDERING = optionNames<IndexedField>({ field: true, order: true });
const indexes = new Made<Index>();

/** Descending order for a field of an index; the default is ascending. */
export function desc<F extends string>(field: F): IndexedField<F> {
  return Object.freeze({ field, order: 'desc' });
}

/** An ordered index over one or more fields; records may have equal values. */
export function index<F extends string>(...fields: readonly [Ordering<F>, ...Ordering<F>[]]): Index<F> {
  return makeIndex('tree', false, fields);
}

/** An ordered index over one or more fields; no two records may have equal values. */
export function uniqueIndex<F extends string>(...fields: readonly [Ordering<F>, ...Ordering<F>[]]): Index<F> {
  return makeIndex('tree', true, fields);
}

/** An index that finds equal values only. */
export function hashIndex<F extends string>(...fields: readonly [F, ...F[]]): Index<F> {
  return makeIndex('hash', false, fields);
}

/** An index that finds equal values only; no two records may have equal values. */
export function uniqueHashIndex<F extends string>(...fields: readonly [F, ...F[]]): Index<F> {
  return makeIndex('hash', true, fields);
}

export function makeIndex<F extends string>(
  type: Index['type'],
  unique: boolean,
  fields: readonly Ordering<F>[],
): Index<F> {
  const ordered = fields.map((each): IndexedField<F> => {
    const { field, order } = orderingOf(each);
    if (order !== 'asc' && order !== 'desc')
      throw invalidArgument('fields', `fields: the order of ${shown(field)} is asc or desc`);
    if (type === 'hash' && order === 'desc')
      throw invalidArgument('fields', `fields: a hash has no order, ${shown(field)} cannot be descending`);
    return Object.freeze({ field, order });
  });
  return indexes.make({ type, unique, fields: Object.freeze(ordered) });
}

function orderingOf<F extends string>(given: Ordering<F>): IndexedField<F> {
  // A bad name is reported later, when the class has given the index a name.
  if (typeof given !== 'object' || given === null) return { field: given, order: 'asc' };
  if (!Array.isArray(given)) checkOptions(given, ORDERING, 'fields');
  return given;
}

/**
 * A frozen copy. Throws InvalidArgumentError (`indexes.name`) for an invalid index, or for fields that cannot be
 * indexed.
 */
export function checkIndexes(given: IndexMap, fields: FieldMap): IndexMap {
  checkObject(given, 'indexes');
  for (const [name, each] of Object.entries(given)) {
    const argument = `indexes.${name}`;
    checkName(name, argument);
    if (!indexes.has(each)) {
      throw invalidArgument(
        argument,
        `${argument} is made by index(), uniqueIndex() and their like, not ${shown(each)}`,
      );
    }
    checkOrderedFields(
      each.fields.map(({ field }) => field),
      fields,
      argument,
    );
  }
  return Object.freeze({ ...given });
}

/** Checks the fields of a key or an index: declared, ordered and distinct. */
export function checkOrderedFields(names: readonly string[], fields: FieldMap, argument: string): void {
  if (names.length === 0) throw invalidArgument(argument, `${argument} names no field`);
  if (names.length > MOST_ORDERED_FIELDS)
    throw invalidArgument(argument, `${argument} names more than ${MOST_ORDERED_FIELDS} fields`);
  for (const [position, name] of names.entries()) {
    const type = fieldNamed(name, fields);
    if (type === undefined) throw invalidArgument(argument, `${argument}: there is no field ${shown(name)}`);
    if (names.indexOf(name) !== position)
      throw invalidArgument(argument, `${argument} names the field ${name} twice`);
    const { kind } = withoutOptional(type);
    if (!isOrdered(withoutOptional(type)))
      throw invalidArgument(argument, `${argument}: ${name} is a field of ${kind}, which has no order`);
  }
}
