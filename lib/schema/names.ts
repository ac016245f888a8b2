import { invalidArgument, shown } from '../arguments';

const IDENTIFIER = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;
/** In UTF-16 code units. */
export const LONGEST_NAME = 255;
/** A class name and a field name, joined by a dot. */
const LONGEST_EVENT_NAME = 2 * LONGEST_NAME + 1;
// As property names these would reach prototypes.
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** The name of a class, field or index: an identifier, so that objects keep its order and paths can contain it. */
export function checkName(name: unknown, argument: string): string {
  if (typeof name !== 'string' || name.length > LONGEST_NAME || !IDENTIFIER.test(name)) {
    throw invalidArgument(
      argument,
      `${argument}: a name is an identifier of at most ${LONGEST_NAME} characters, not ${shown(name)}`,
    );
  }
  if (RESERVED.has(name)) throw invalidArgument(argument, `${argument}: the name ${name} is reserved`);
  return name;
}

/** The name of an event: identifiers joined by dots. */
export function checkEventName(name: unknown, argument: string): string {
  if (
    typeof name !== 'string' ||
    name.length > LONGEST_EVENT_NAME ||
    !name.split('.').every((part) => IDENTIFIER.test(part))
  ) {
    throw invalidArgument(
      argument,
      `${argument}: a name of an event is identifiers joined by dots, of at most ${LONGEST_EVENT_NAME} characters, not ${shown(name)}`,
    );
  }
  if (RESERVED.has(name)) throw invalidArgument(argument, `${argument}: the name ${name} is reserved`);
  return name;
}
