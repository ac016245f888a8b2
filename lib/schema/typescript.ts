import { isMap } from 'node:util/types';
import { checkObject, invalidArgument } from '../arguments';
import type { ClassDefinition } from './class';
import type { ParsedSchema } from './ddl/parse';
import { defaultEventName, type EventDefinition } from './events';
import type { Field, FieldMap, StructField } from './field';
import type { Index } from './indexes';

const INDEX_MAKERS = {
  tree: { plain: 'index', unique: 'uniqueIndex' },
  hash: { plain: 'hashIndex', unique: 'uniqueHashIndex' },
} as const;
const EVENT_MAKERS = {
  new: 'onNew',
  update: 'onUpdate',
  fieldUpdate: 'onFieldUpdate',
  delete: 'onDelete',
  deleteAll: 'onDeleteAll',
  checkpoint: 'onCheckpoint',
  expire: 'onExpire',
} as const;
const IMPORTABLE = [
  'defineClass',
  'desc',
  'field',
  ...Object.values(INDEX_MAKERS).flatMap(({ plain, unique }) => [plain, unique]),
  ...Object.values(EVENT_MAKERS),
];
// Names that a constant of a module cannot have, including those reserved by strict mode and top-level await.
const KEYWORDS =
  'arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof var void while with yield undefined';

/** The TypeScript module that declares the same classes and structs. Each is exported under its name, or as `name_`. */
export function toTypeScript(schema: ParsedSchema): string {
  const { classes, structs } = checkObject(schema, 'schema');
  if (!isMap(classes) || !isMap(structs))
    throw invalidArgument('schema', 'schema has maps of classes and structs, as parseDdl() returns them');
  return new Printer(schema).print();
}

class Printer {
  readonly #schema: ParsedSchema;
  readonly #imports = new Set<string>();
  readonly #taken = new Set([...IMPORTABLE, ...KEYWORDS.split(' ')]);
  readonly #structs = new Map<Field, string>();

  constructor(schema: ParsedSchema) {
    this.#schema = schema;
  }

  print(): string {
    const { database, classes, structs } = this.#schema;
    const parts: string[] = [];
    for (const [name, struct] of structs) {
      const constant = this.#constant(name);
      parts.push(`export const ${constant} = ${this.#struct(struct, '')};\n`);
      this.#structs.set(struct, constant);
    }
    for (const definition of classes.values()) parts.push(this.#class(definition));
    const imports = [...this.#imports].sort().map((name) => `  ${name},\n`);
    const header = `// The database ${database}.\nimport {\n${imports.join('')}} from 'evenkeel';\n`;
    return [header, ...parts].join('\n');
  }

  #class(definition: ClassDefinition): string {
    const { name, key, fields, indexes, events, ttl } = definition;
    const printedIndexes = Object.entries(indexes).map(
      ([name, index]) => `    ${name}: ${this.#index(index)},\n`,
    );
    const printedEvents = events.map((event) => `    ${this.#event(name, event)},\n`);
    const printedTtl = Object.entries(ttl ?? {}).map(([name, value]) => `${name}: ${value}`);
    return [
      `export const ${this.#constant(name)} = ${this.#use('defineClass')}(${quote(name)}, {\n`,
      `  key: ${typeof key === 'string' ? quote(key) : `[${key.map(quote).join(', ')}]`},\n`,
      `  fields: ${this.#members(fields, '  ')},\n`,
      ...(printedIndexes.length === 0 ? [] : ['  indexes: {\n', ...printedIndexes, '  },\n']),
      ...(printedEvents.length === 0 ? [] : ['  events: [\n', ...printedEvents, '  ],\n']),
      ...(printedTtl.length === 0 ? [] : [`  ttl: { ${printedTtl.join(', ')} },\n`]),
      '});\n',
    ].join('');
  }

  #members(fields: FieldMap, indent: string): string {
    const lines = Object.entries(fields).map(
      ([name, type]) => `${indent}  ${name}: ${this.#field(type, `${indent}  `)},\n`,
    );
    return `{\n${lines.join('')}${indent}}`;
  }

  #field(type: Field, indent: string): string {
    const struct = this.#structs.get(type);
    if (struct !== undefined) return struct;
    switch (type.kind) {
      case 'struct':
        return this.#struct(type, indent);
      case 'optional':
        return this.#make('optional', this.#field(type.of, indent));
      case 'vector':
        return this.#make('vector', this.#field(type.of, indent), options({ length: type.length }));
      case 'enumeration':
        return `${this.#use('field')}.enumeration(${type.values.map(quote).join(', ')})`;
      case 'string':
      case 'bytes':
        return this.#make(type.kind, options({ maxLength: type.maxLength }));
      default:
        return this.#make(type.kind);
    }
  }

  #struct({ fields }: StructField, indent: string): string {
    return this.#make('struct', this.#members(fields, indent));
  }

  #make(kind: Field['kind'], ...given: readonly string[]): string {
    return `${this.#use('field')}.${kind}(${given.filter((each) => each !== '').join(', ')})`;
  }

  #index({ type, unique, fields }: Index): string {
    const printed = fields.map(({ field, order }) =>
      order === 'desc' ? `${this.#use('desc')}(${quote(field)})` : quote(field),
    );
    return `${this.#use(INDEX_MAKERS[type][unique ? 'unique' : 'plain'])}(${printed.join(', ')})`;
  }

  #event(className: string, event: EventDefinition): string {
    const given = event.kind === 'fieldUpdate' ? [event.field] : [];
    if (event.name !== defaultEventName(className, event)) given.push(event.name);
    return `${this.#use(EVENT_MAKERS[event.kind])}(${given.map(quote).join(', ')})`;
  }

  #use(name: string): string {
    this.#imports.add(name);
    return name;
  }

  /** An unused name for a constant. */
  #constant(name: string): string {
    let constant = name;
    while (this.#taken.has(constant)) constant += '_';
    this.#taken.add(constant);
    return constant;
  }
}

function options(given: Readonly<Record<string, number | undefined>>): string {
  const printed = Object.entries(given).filter(([, value]) => value !== undefined);
  return printed.length === 0 ? '' : `{ ${printed.map(([name, value]) => `${name}: ${value}`).join(', ')} }`;
}

function quote(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
