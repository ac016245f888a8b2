import { invalidArgument } from '../arguments';

// A type that is declared once and used often costs each time: when a class is described, stored, read or printed. A
// few lines of declaration must not need unbounded time or stack.
const MOST_FIELDS = 10_000;
const MOST_VALUES_LISTED = 2 ** 20;
/** The limit of nested structs and vectors. */
export const DEEPEST = 64;

/** The size of a type, counting every part as often as it is used. */
export interface Extent {
  readonly fields: number;
  /** The number of enumeration values. */
  readonly values: number;
  readonly depth: number;
}

/** A type without members. */
export const SIMPLE: Extent = { fields: 1, values: 0, depth: 1 };
const extents = new WeakMap<object, Extent>();

export function extentOf(type: object): Extent {
  return extents.get(type) ?? SIMPLE;
}

export function keepExtent(type: object, extent: Extent): void {
  extents.set(type, extent);
}

/**
 * The extent of a type with these members. Throws InvalidArgumentError naming `argument` when they are too many or too
 * deep.
 */
export function checkExtent(argument: string, members: readonly object[]): Extent {
  let fields = 0;
  let values = 0;
  let depth = 0;
  for (const member of members) {
    const extent = extentOf(member);
    fields += extent.fields;
    values += extent.values;
    depth = Math.max(depth, extent.depth);
  }
  const beyond = (problem: string): never => {
    throw invalidArgument(argument, `${argument}: ${problem}`);
  };
  if (fields > MOST_FIELDS)
    beyond(`there are more than ${MOST_FIELDS} fields, those of a struct counted wherever it is used`);
  if (values > MOST_VALUES_LISTED)
    beyond(`the enumerations have more than ${MOST_VALUES_LISTED} values, counted wherever they are used`);
  if (depth >= DEEPEST) beyond(`structs and vectors are more than ${DEEPEST} deep within each other`);
  return { fields, values, depth: depth + 1 };
}
