import { type Index, type IndexedField, MOST_ORDERED_FIELDS, makeIndex } from '../indexes';
import type { Cursor } from './cursor';
import type { Token } from './lexer';
import type { Scope } from './scope';

const QUALIFIERS: ReadonlySet<string> = new Set(['voluntary', 'unique', 'nonunique', 'inclusive', 'userdef']);
const KINDS: ReadonlySet<string> = new Set(['tree', 'hash', 'trie', 'trigram', 'rtree', 'kdtree']);

/** The number in brackets after a name; not needed here, because nothing is preallocated. */
export const ENTRIES = 'the number of entries to expect';

export function beginsIndex({ text }: Token): boolean {
  return QUALIFIERS.has(text) || KINDS.has(text);
}

export interface ParsedIndex {
  readonly name: Token;
  readonly index: Index;
  readonly fields: readonly Token[];
}

/** `[qualifiers] tree|hash<field [asc|desc], …> name[expected];` */
export function parseIndex(scope: Scope): ParsedIndex {
  const { cursor } = scope;
  const qualifiers = new Set<string>();
  while (QUALIFIERS.has(cursor.peek().text)) qualifiers.add(parseQualifier(scope));
  const type = parseKind(cursor);
  // A hash index is unique by default, a tree is not.
  const unique = type === 'tree' ? qualifiers.has('unique') : !qualifiers.has('nonunique');
  const fields: Token[] = [];
  const ordered: IndexedField[] = [];
  cursor.angled(() => {
    do {
      const name = parseField(cursor);
      if (fields.length === MOST_ORDERED_FIELDS)
        cursor.fail(name, `an index has at most ${MOST_ORDERED_FIELDS} fields`);
      fields.push(name);
      ordered.push({ field: name.text, order: type === 'tree' ? parseOrder(cursor) : 'asc' });
      if (cursor.peek().text === 'collate')
        cursor.fail(cursor.peek(), 'the collation of an index has no counterpart in evenkeel');
    } while (cursor.accept(','));
  });
  const name = cursor.name('an index');
  cursor.bracketed(ENTRIES);
  cursor.expect(';');
  return { name, index: makeIndex(type, unique, ordered), fields };
}

function parseQualifier(scope: Scope): string {
  const token = scope.cursor.take();
  switch (token.text) {
    case 'userdef':
      return scope.cursor.fail(
        token,
        'userdef, an index by a function of the program, has no counterpart in evenkeel',
      );
    case 'voluntary':
      scope.warn(token, 'voluntary: an index is always there');
      break;
    case 'inclusive':
      scope.warn(token, 'inclusive: an index includes no other fields');
      break;
  }
  return token.text;
}

function parseKind(cursor: Cursor): Index['type'] {
  const { text } = cursor.peek();
  if (text !== 'tree' && text !== 'hash') {
    const problem = KINDS.has(text)
      ? `an index of type ${text} has no counterpart in evenkeel`
      : `expected a type of index, not ${text}`;
    cursor.fail(cursor.peek(), problem);
  }
  cursor.take();
  return text;
}

function parseField(cursor: Cursor): Token {
  const name = cursor.name('a field');
  if (cursor.peek().text === '.')
    cursor.fail(name, 'an index by a member of a struct has no counterpart in evenkeel');
  return name;
}

function parseOrder(cursor: Cursor): 'asc' | 'desc' {
  if (cursor.accept('desc') !== undefined) return 'desc';
  cursor.accept('asc');
  return 'asc';
}
