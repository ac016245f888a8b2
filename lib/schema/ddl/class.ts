import { type ClassDefinition, makeClass } from '../class';
import type { EventDeclaration } from '../events';
import { type Field, field } from '../field';
import { type Index, makeIndex } from '../indexes';
import type { TimeToLive } from '../ttl';
import { parseEvent, parseTimeToLive, TIME_TO_LIVE } from './clauses';
import { parseElements } from './elements';
import { beginsIndex, ENTRIES, parseIndex } from './indexes';
import type { Token } from './lexer';
import type { Scope } from './scope';

const ACCESS: ReadonlySet<string> = new Set(['autoid', 'oid', 'list']);

/** Parses the name and body of a class. */
export function parseClass(scope: Scope): ClassDefinition {
  const name = scope.newName('a class');
  const { cursor } = scope;
  const parser = new ClassParser(scope, name);
  cursor.expect('{');
  while (cursor.accept('}') === undefined) parser.statement();
  return parser.finish();
}

class ClassParser {
  readonly #fields = new Map<string, Field>();
  readonly #indexes = new Map<string, Index>();
  readonly #events: EventDeclaration[] = [];
  #ttl: TimeToLive | undefined;
  /** Where the arguments of makeClass() are in the text. */
  readonly #places = new Map<string, Token>();
  /** Field names in indexes and events, which may precede the fields. */
  readonly #references: Token[] = [];
  #autoid = false;
  #oid = false;

  constructor(
    readonly scope: Scope,
    readonly name: Token,
  ) {}

  statement(): void {
    const first = this.scope.cursor.peek();
    if (first.text === 'event') this.#event();
    else if (ACCESS.has(first.text)) this.#access();
    else if (TIME_TO_LIVE.has(first.text)) this.#timeToLive();
    else if (beginsIndex(first)) this.#index();
    else for (const { name, type } of parseElements(this.scope)) this.#addField(name, type);
  }

  finish(): ClassDefinition {
    const { cursor } = this.scope;
    if (this.#fields.size === 0) cursor.fail(this.name, `class ${this.name.text} has no fields`);
    for (const reference of this.#references) {
      if (!this.#fields.has(reference.text))
        cursor.fail(reference, `there is no field ${reference.text} in class ${this.name.text}`);
    }
    this.#warnOfUpdates();
    const key = this.#key();
    const definition = {
      key,
      fields: Object.fromEntries(this.#fields),
      indexes: Object.fromEntries(this.#indexes),
      events: this.#events,
      ttl: this.#ttl,
    };
    return cursor.made(() => makeClass(this.name.text, definition), this.#places, this.name);
  }

  #addField(name: Token, type: Field): void {
    if (this.#fields.has(name.text)) this.scope.cursor.fail(name, `the field ${name.text} is declared twice`);
    this.#fields.set(name.text, type);
    this.#places.set(`fields.${name.text}`, name);
  }

  /** `autoid[expected];`, `oid;` or `list;`. A list of all records exists anyway. */
  #access(): void {
    const { cursor } = this.scope;
    const token = cursor.take();
    if (token.text === 'autoid') {
      this.#addField(token, field.autoid());
      this.#autoid = true;
      cursor.bracketed(ENTRIES);
    } else if (token.text === 'oid') {
      const oid = this.scope.oid ?? cursor.fail(token, 'oid needs a struct that is declared as oid');
      for (const [name, type] of Object.entries(oid.fields)) this.#addField({ ...token, text: name }, type);
      this.#oid = true;
    }
    cursor.expect(';');
  }

  #index(): void {
    const { name, index, fields } = parseIndex(this.scope);
    if (this.#indexes.has(name.text))
      this.scope.cursor.fail(name, `the index ${name.text} is declared twice`);
    this.#indexes.set(name.text, index);
    this.#places.set(`indexes.${name.text}`, name);
    for (const each of fields) this.#references.push(each);
  }

  #event(): void {
    const { name, event, field } = parseEvent(this.scope);
    this.#places.set(`events[${this.#events.length}]`, name);
    this.#events.push(event);
    if (field !== undefined) this.#references.push(field);
  }

  #timeToLive(): void {
    const { clause, policy } = parseTimeToLive(this.scope);
    const before = this.#ttl ?? {};
    if (Object.keys(policy).some((property) => property in before))
      this.scope.cursor.fail(clause, `${clause.text} is declared twice`);
    this.#ttl = { ...before, ...policy };
    this.#places.set('ttl', clause);
  }

  #warnOfUpdates(): void {
    const kinds = new Set(this.#events.map(({ kind }) => kind));
    if (kinds.has('update') && kinds.has('fieldUpdate')) {
      this.scope.warn(
        this.name,
        `class ${this.name.text} declares update and the update of single fields, which eXtremeDB forbids`,
      );
    }
  }

  /**
   * Classes in eXtremeDB have no primary key. The key here is what identifies an object there: its autoid, else its
   * oid, else the first unique index without optional fields. A class with none of these gets an autoid.
   */
  #key(): string | readonly string[] {
    const oid = this.#oid ? Object.keys(this.scope.oid?.fields ?? {}) : [];
    if (this.#autoid) {
      if (this.#oid) this.#indexes.set('oid', makeIndex('tree', true, oid));
      return 'autoid';
    }
    const [unique] = [...this.#indexes.values()]
      .filter(({ unique }) => unique)
      .map(({ fields }) => fields.map(({ field }) => field))
      .filter((names) => names.every((name) => this.#fields.get(name)?.kind !== 'optional'));
    const key = this.#oid ? oid : unique;
    if (key !== undefined) return key.length === 1 ? (key[0] ?? key) : key;
    this.#addField({ ...this.name, text: 'autoid' }, field.autoid());
    this.scope.warn(
      this.name,
      `class ${this.name.text} has nothing that identifies its objects; autoid is added as its key`,
    );
    return 'autoid';
  }
}
