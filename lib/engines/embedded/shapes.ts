import type { FieldMap, MemberMap, PresentField } from '../../schema/field';
import { withoutOptional } from '../../schema/field';

/** The field names of a class, or of a struct in it, in the order in which the values are stored. */
export type Shape = readonly string[];

export type AnyRecord = Record<string, unknown>;

/**
 * Whether records of the class may have this shape. It may lack fields that were added to the class later, which are
 * optional. A shape added since the class was read (`isLater`) may have additional fields that the class got elsewhere.
 */
export function isShapeOf(fields: FieldMap, shape: Shape, isLater: boolean): boolean {
  const names = new Set(shape);
  if (names.size !== shape.length) return false;
  if (!isLater && shape.some((name) => !Object.hasOwn(fields, name))) return false;
  return Object.entries(fields).every(([name, type]) => names.has(name) || type.kind === 'optional');
}

/** The distinct shapes of a class and its structs; the class's own comes first. */
export function shapesOf(fields: FieldMap): Shape[] {
  const shapes = new Map<string, Shape>();
  const add = (members: FieldMap | MemberMap): void => {
    const shape = Object.keys(members);
    shapes.set(shape.join('\n'), shape);
    for (const each of Object.values(members)) visit(withoutOptional(each) as PresentField);
  };
  const visit = (type: PresentField): void => {
    if (type.kind === 'struct') add(type.fields);
    else if (type.kind === 'vector') visit(type.of);
  };
  add(fields);
  return [...shapes.values()];
}
