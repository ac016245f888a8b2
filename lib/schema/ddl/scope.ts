import type { ClassDefinition } from '../class';
import type { EnumerationField, StructField } from '../field';
import type { Cursor } from './cursor';
import type { Token } from './lexer';
import type { Position } from './source';

/** Something that is interpreted differently from eXtremeDB. */
export interface DdlWarning extends Position {
  readonly message: string;
}

/** The declarations of a text so far. */
export class Scope {
  readonly structs = new Map<string, StructField>();
  readonly enumerations = new Map<string, EnumerationField>();
  readonly classes = new Map<string, ClassDefinition>();
  readonly warnings: DdlWarning[] = [];
  database: string | undefined;
  /** The struct that identifies objects of classes with an `oid`. */
  oid: StructField | undefined;
  readonly #names = new Set<string>();
  readonly #events = new Set<string>();

  constructor(readonly cursor: Cursor) {}

  /** The name of a struct, enum or class; must be unique. */
  newName(what: string): Token {
    return this.#claim(this.cursor.name(what), this.#names);
  }

  /** The name of an event; must be unique in the database. */
  newEvent(): Token {
    return this.#claim(this.cursor.name('an event'), this.#events);
  }

  warn(at: Token, message: string): void {
    this.warnings.push({ message, ...this.cursor.position(at) });
  }

  #claim(name: Token, taken: Set<string>): Token {
    if (taken.has(name.text)) this.cursor.fail(name, `${name.text} is declared twice`);
    taken.add(name.text);
    return name;
  }
}
