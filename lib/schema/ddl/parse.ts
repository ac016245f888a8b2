import { checkOptions, invalidArgument, optionNames, shown } from '../../arguments';
import type { ClassDefinition } from '../class';
import { enumerationOf, field, type MemberField, MOST_VALUES, type StructField } from '../field';
import { parseClass } from './class';
import { Cursor } from './cursor';
import { parseElements } from './elements';
import { ENTRIES } from './indexes';
import type { Token } from './lexer';
import { type DdlWarning, Scope } from './scope';
import { Source } from './source';

/** The declarations of a schema text. */
export interface ParsedSchema {
  readonly database: string;
  readonly classes: ReadonlyMap<string, ClassDefinition>;
  readonly structs: ReadonlyMap<string, StructField>;
  /** What is interpreted differently from eXtremeDB, in text order. */
  readonly warnings: readonly DdlWarning[];
}

export interface DdlOptions {
  /** The name of the text in messages: `shop.mco:3:10: …`. */
  readonly file?: string | undefined;
}

const NAMES = optionNames<DdlOptions>({ file: true });
const MODIFIERS: ReadonlySet<string> = new Set(['compact', 'persistent', 'transient']);

/**
 * Parses a schema in eXtremeDB's data definition language into the classes that defineClass() would create.
 *
 * Integers of 8 bytes are bigints; char<n>, nchar<n> and wchar<n> are strings of at most n UTF-16 code units; arrays
 * are vectors of a fixed length; nullable and optional members are optional fields; date and time are Dates; values of
 * enums are their names. The key of a class is its autoid, else its oid, else its first unique index (which stays an
 * index as well), else an added autoid. A hash is unique unless it says nonunique. Events keep the names in the text.
 *
 * A text has at most a million tokens, including those from macros; its declarations have the limits of defineClass().
 *
 * @throws DdlSyntaxError with line and column, for invalid text and for declarations without an equivalent here.
 */
export function parseDdl(text: string, options: DdlOptions = {}): ParsedSchema {
  if (typeof text !== 'string') throw invalidArgument('text', `text is a string, not ${shown(text)}`);
  checkOptions(options, NAMES);
  const { file } = options;
  if (file !== undefined && typeof file !== 'string')
    throw invalidArgument('file', `file is a string, not ${shown(file)}`);
  const cursor = new Cursor(new Source(text, file));
  const scope = new Scope(cursor);
  while (cursor.peek().kind !== 'end') parseStatement(scope);
  const { classes, structs } = scope;
  const warnings = scope.warnings.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const database =
    scope.database ?? cursor.fail(cursor.peek(), 'the database is not declared: declare database name;');
  return { database, classes, structs, warnings };
}

function parseStatement(scope: Scope): void {
  const { cursor } = scope;
  if (cursor.accept(';')) return;
  if (cursor.accept('declare')) parseDeclaration(scope);
  else if (cursor.accept('enum')) parseEnumeration(scope);
  else if (cursor.accept('struct')) parseStruct(scope);
  else if (cursor.accept('direct')) {
    cursor.expect('struct');
    parseStruct(scope);
  } else {
    parseModifiers(scope);
    if (cursor.accept('class') === undefined)
      cursor.fail(cursor.peek(), `expected declare, struct, enum or class, not ${cursor.peek().text}`);
    const definition = parseClass(scope);
    scope.classes.set(definition.name, definition);
  }
}

function parseModifiers(scope: Scope): void {
  const { cursor } = scope;
  while (MODIFIERS.has(cursor.peek().text)) {
    const modifier = cursor.take();
    if (modifier.text === 'transient')
      scope.warn(modifier, 'transient: a class lives as long as the database it is in');
  }
}

/** `declare database name;`, `declare oid Struct[expected];` or `declare auto_oid[expected];` */
function parseDeclaration(scope: Scope): void {
  const { cursor } = scope;
  const what = cursor.take();
  switch (what.text.toLowerCase()) {
    case 'database':
      if (scope.database !== undefined) cursor.fail(what, 'the database is declared twice');
      scope.database = cursor.name('the database').text;
      break;
    case 'oid': {
      if (scope.oid !== undefined) cursor.fail(what, 'oid is declared twice');
      const name = cursor.name('a struct');
      scope.oid = scope.structs.get(name.text) ?? cursor.fail(name, `there is no struct ${name.text}`);
      cursor.bracketed(ENTRIES);
      break;
    }
    case 'auto_oid':
      cursor.bracketed(ENTRIES);
      break;
    default:
      cursor.fail(what, `expected database, oid or auto_oid, not ${what.text}`);
  }
  cursor.expect(';');
}

function parseStruct(scope: Scope): void {
  const { cursor } = scope;
  const name = scope.newName('a struct');
  const members = new Map<string, MemberField>();
  const places = new Map<string, Token>();
  cursor.expect('{');
  while (cursor.accept('}') === undefined) {
    for (const element of parseElements(scope)) {
      if (members.has(element.name.text))
        cursor.fail(element.name, `the field ${element.name.text} is declared twice`);
      members.set(element.name.text, element.type);
      places.set(`fields.${element.name.text}`, element.name);
    }
  }
  const struct = cursor.made(() => field.struct(Object.fromEntries(members)), places, name);
  scope.structs.set(name.text, struct);
}

/** The values are the names; their numbers are only for programs in C. */
function parseEnumeration(scope: Scope): void {
  const { cursor } = scope;
  const name = scope.newName('an enum');
  cursor.expect('{');
  const values = new Set([parseValue(cursor)]);
  while (cursor.accept(',') && cursor.peek().text !== '}') {
    const at = cursor.peek();
    if (values.size === MOST_VALUES) cursor.fail(at, `an enum has at most ${MOST_VALUES} values`);
    const value = parseValue(cursor);
    if (values.has(value)) cursor.fail(at, `the value ${value} is declared twice`);
    values.add(value);
  }
  cursor.expect('}');
  scope.enumerations.set(
    name.text,
    cursor.made(() => enumerationOf([...values]), new Map(), name),
  );
}

function parseValue(cursor: Cursor): string {
  const { text } = cursor.name('a value');
  if (cursor.accept('=')) cursor.literal();
  return text;
}
