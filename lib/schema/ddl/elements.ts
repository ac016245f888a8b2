import { field, type MemberField, type PresentField } from '../field';
import type { Cursor } from './cursor';
import type { Token } from './lexer';
import type { Scope } from './scope';

/** A member of a class or struct as written. */
export interface Element {
  readonly name: Token;
  readonly type: MemberField;
}

const SIMPLE: ReadonlyMap<string, PresentField> = new Map<string, PresentField>([
  ['int1', field.int8()],
  ['int2', field.int16()],
  ['int4', field.int32()],
  ['int8', field.int64()],
  ['uint1', field.uint8()],
  ['uint2', field.uint16()],
  ['uint4', field.uint32()],
  ['uint8', field.uint64()],
  ['float', field.float32()],
  ['double', field.float64()],
  ['bool', field.boolean()],
  ['boolean', field.boolean()],
  ['date', field.datetime()],
  ['time', field.datetime()],
  ['datetime', field.datetime()],
  ['string', field.string()],
  ['nstring', field.string()],
  ['wstring', field.string()],
  ['blob', field.bytes()],
]);
const WITHOUT_COUNTERPART: ReadonlySet<string> = new Set(['sequence', 'numeric', 'rect']);

/** `[nullable|optional] type name[length] [= value], … ;` or `… vector<type> name, … ;` */
export function parseElements(scope: Scope): Element[] {
  const { cursor } = scope;
  const mayBeAbsent = (cursor.accept('nullable') ?? cursor.accept('optional')) !== undefined;
  const vector = cursor.accept('vector');
  const type = vector
    ? vectorOf(
        cursor,
        vector,
        cursor.angled(() => parseType(scope)),
      )
    : parseType(scope);
  const elements: Element[] = [];
  do {
    const name = cursor.name('a field');
    const length = vector ? undefined : cursor.bracketed('the length of an array');
    const declared = length === undefined ? type : vectorOf(cursor, name, type, length);
    if (cursor.accept('=')) {
      cursor.literal();
      scope.warn(name, `${name.text}: default values are not taken over`);
    }
    elements.push({ name, type: mayBeAbsent ? field.optional(declared) : declared });
  } while (cursor.accept(','));
  cursor.expect(';');
  return elements;
}

function vectorOf(cursor: Cursor, at: Token, of: PresentField, length?: number): PresentField {
  return cursor.made(() => field.vector(of, { length }), new Map(), at);
}

function parseType(scope: Scope): PresentField {
  const { cursor } = scope;
  const token = cursor.name('a type');
  const { text } = token;
  switch (text) {
    case 'signed':
    case 'unsigned':
      return parseInteger(cursor, text === 'signed' ? 'int' : 'uint');
    // A character takes one or two bytes there, and one or two UTF-16 code units here: what fits there fits here.
    case 'char':
    case 'nchar':
    case 'wchar':
      return field.string({ maxLength: parseMaxLength(cursor) });
    case 'binary':
    case 'varbinary':
      return field.bytes({ maxLength: parseMaxLength(cursor) });
    case 'autoid_t':
      if (cursor.peek().text === '<') cursor.angled(() => cursor.name('a class'));
      return field.uint64();
    case 'ref':
      return scope.oid ?? cursor.fail(token, 'ref needs a struct that is declared as oid');
    case 'vector':
      return cursor.fail(token, 'the elements of a vector are no vectors');
    case 'time':
      scope.warn(token, 'time: a time of day is kept as a Date');
  }
  if (WITHOUT_COUNTERPART.has(text)) cursor.fail(token, `${text} has no counterpart in evenkeel`);
  return (
    SIMPLE.get(text) ??
    scope.structs.get(text) ??
    scope.enumerations.get(text) ??
    cursor.fail(token, `there is no type ${text}; a struct or enum comes before what uses it`)
  );
}

function parseInteger(cursor: Cursor, prefix: 'int' | 'uint'): PresentField {
  return cursor.angled(() => {
    const token = cursor.peek();
    const bytes = cursor.positiveInteger('a number of bytes');
    return (
      SIMPLE.get(`${prefix}${bytes}`) ??
      cursor.fail(token, `an integer has 1, 2, 4 or 8 bytes, not ${token.text}`)
    );
  });
}

function parseMaxLength(cursor: Cursor): number {
  return cursor.angled(() => cursor.positiveInteger('a length'));
}
