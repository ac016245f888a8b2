import { InvalidArgumentError } from '../../errors';
import { type Token, tokenize } from './lexer';
import type { Position, Source } from './source';

/** A position in the tokens of a text; it advances as tokens are taken. */
export class Cursor {
  readonly #source: Source;
  readonly #tokens: readonly Token[];
  readonly #end: Token;
  #position = 0;

  constructor(source: Source) {
    this.#source = source;
    this.#tokens = tokenize(source);
    this.#end = { kind: 'end', text: 'the end of the text', offset: source.text.length };
  }

  peek(): Token {
    return this.#tokens[this.#position] ?? this.#end;
  }

  take(): Token {
    const token = this.peek();
    this.#position++;
    return token;
  }

  /** Takes the next token if it is the given one. */
  accept(text: string): Token | undefined {
    return this.peek().text === text ? this.take() : undefined;
  }

  expect(text: string): Token {
    return this.accept(text) ?? this.fail(this.peek(), `expected ${text}, not ${this.peek().text}`);
  }

  name(what: string): Token {
    if (this.peek().kind !== 'name')
      this.fail(this.peek(), `expected the name of ${what}, not ${this.peek().text}`);
    return this.take();
  }

  positiveInteger(what: string): number {
    const token = this.peek();
    const value = token.kind === 'number' ? Number(token.text) : Number.NaN;
    if (!(Number.isSafeInteger(value) && value > 0))
      this.fail(token, `expected ${what}, an integer above 0, not ${token.text}`);
    this.take();
    return value;
  }

  /** A number with an optional sign, a text or a name. */
  literal(): void {
    if (this.accept('-') === undefined) this.accept('+');
    const value = this.take();
    if (value.kind === 'symbol' || value.kind === 'end')
      this.fail(value, `expected a value, not ${value.text}`);
  }

  /** `[n]`, if present. */
  bracketed(what: string): number | undefined {
    if (this.accept('[') === undefined) return undefined;
    const value = this.positiveInteger(what);
    this.expect(']');
    return value;
  }

  /** Parses what is between < and >. */
  angled<T>(parse: () => T): T {
    this.expect('<');
    const parsed = parse();
    this.expect('>');
    return parsed;
  }

  position({ offset }: Token): Position {
    return this.#source.position(offset);
  }

  fail(at: Token, problem: string): never {
    this.#source.fail(at.offset, problem);
  }

  /** The result of `make`. An argument that it refuses is reported at the argument's token in `places`. */
  made<T>(make: () => T, places: ReadonlyMap<string, Token>, otherwise: Token): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      return this.fail(places.get(error.context.argument ?? '') ?? otherwise, error.message);
    }
  }
}
