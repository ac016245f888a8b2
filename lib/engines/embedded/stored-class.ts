import { isDeepStrictEqual } from 'node:util';
import { SchemaMismatchError } from '../../errors';
import type { ClassDefinition } from '../../schema/class';
import type { ClassDescription, NamedField } from '../../schema/description';
import { type Shape, shapesOf } from './shapes';

/** A class in the form of the database's catalog. */
export interface StoredClass {
  readonly id: number;
  readonly description: ClassDescription;
  /** Fields in the order in which they were added to the class. */
  readonly names: readonly string[];
  readonly shapes: readonly Shape[];
}

/** The names are documented in docs/journal.md. */
export function treeNames({ id, description: { indexes, ttl } }: StoredClass): string[] {
  const names = [`records:${id}`, ...indexes.map(({ name }) => `index:${id}:${name}`)];
  return ttl?.count === undefined ? names : [...names, `order:${id}`];
}

/** The stored class with the additions of the given one. Throws SchemaMismatchError for any other difference. */
export function merge(
  old: StoredClass,
  definition: ClassDefinition,
  description: ClassDescription,
  path: string,
): StoredClass {
  const { name } = description;
  const refuse = (problem: string): never => {
    throw new SchemaMismatchError(`${path}: class ${name} differs from its stored definition: ${problem}`, {
      context: { class: name },
    });
  };
  const was = old.description;
  if (!isDeepStrictEqual(was.key, description.key)) refuse('its key is different');
  if (!isDeepStrictEqual(was.ttl, description.ttl)) refuse('its Time-To-Live is different');
  const added = compareByName('field', was.fields, description.fields, refuse);
  const required = added.find(({ type }) => type.kind !== 'optional');
  if (required !== undefined) refuse(`the new field ${required.name} is not optional`);
  compareByName('index', was.indexes, description.indexes, refuse);
  compareByName('event', was.events, description.events, refuse);
  const known = new Set(old.shapes.map((shape) => shape.join('\n')));
  return {
    id: old.id,
    description: JSON.parse(JSON.stringify(description)) as ClassDescription,
    names: [...old.names, ...added.map((each: NamedField) => each.name)],
    shapes: [...old.shapes, ...shapesOf(definition.fields).filter((shape) => !known.has(shape.join('\n')))],
  };
}

/** The additions in the second list; all entries of the first must be in it unchanged. */
function compareByName<T extends { readonly name: string }>(
  what: string,
  before: readonly T[],
  now: readonly T[],
  refuse: (problem: string) => never,
): T[] {
  for (const each of before) {
    const same = now.find(({ name }) => name === each.name);
    if (same === undefined) refuse(`the ${what} ${each.name} is missing`);
    else if (!isDeepStrictEqual(each, JSON.parse(JSON.stringify(same))))
      refuse(`the ${what} ${each.name} is different`);
  }
  return now.filter(({ name }) => !before.some((each) => each.name === name));
}

/** Events are waited for by name alone, so names must be unique. */
export function checkEventNames(
  stored: readonly StoredClass[],
  additions: readonly StoredClass[],
  path: string,
): void {
  for (const added of additions) {
    const names = new Set(added.description.events.map(({ name }) => name));
    for (const { id, description } of stored) {
      const same = id === added.id ? undefined : description.events.find(({ name }) => names.has(name));
      if (same === undefined) continue;
      const { name } = added.description;
      throw new SchemaMismatchError(
        `${path}: class ${name} has an event ${same.name}, and so has ${description.name}, which is stored`,
        { context: { class: name } },
      );
    }
  }
}
