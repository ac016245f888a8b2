import { invalidArgument, shown } from '../arguments';

const IDENTIFIER = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;
// As properties of ordinary objects they would reach prototypes.
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** A name of a class, field or index: an identifier, so that objects keep its place and paths can spell it. */
export function checkName(name: unknown, argument: string): string {
  if (typeof name !== 'string' || !IDENTIFIER.test(name)) {
    throw invalidArgument(argument, `${argument}: a name is an identifier, not ${shown(name)}`);
  }
  if (RESERVED.has(name)) throw invalidArgument(argument, `${argument}: the name ${name} is reserved`);
  return name;
}

/** A name of an event: identifiers joined by dots. */
export function checkEventName(name: unknown, argument: string): string {
  if (typeof name !== 'string' || !name.split('.').every((part) => IDENTIFIER.test(part))) {
    throw invalidArgument(
      argument,
      `${argument}: a name of an event is identifiers joined by dots, not ${shown(name)}`,
    );
  }
  if (RESERVED.has(name)) throw invalidArgument(argument, `${argument}: the name ${name} is reserved`);
  return name;
}
