import { shown } from '../../arguments';
import { LONGEST_NAME } from '../names';
import type { Source } from './source';

export interface Token {
  readonly kind: 'name' | 'number' | 'text' | 'symbol' | 'end';
  readonly text: string;
  /** The offset in the source; for a token from a macro, where the macro is used. */
  readonly offset: number;
}

/** Macros that use other macros would grow without bound. */
const LONGEST_MACRO = 64;
/** Tokens of a macro count wherever it is used. */
const MOST_TOKENS = 1_000_000;

const TEXT_OR_COMMENT = /"[^"\r\n]*"|'[^'\r\n]*'|\/\/.*|\/\*[\s\S]*?(\*\/|$)/g;
const SPACE = /\s*/y;
const DIRECTIVE = /#[ \t]*(\w*)/y;
const TOKEN =
  /(?<name>[A-Za-z_]\w*)|(?<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?)|(?<text>"[^"\n]*"|'[^'\n]*')|(?<symbol>[{}<>[\]();:,.=+-])/y;

/**
 * The tokens of a schema text, without comments and with `#define` names replaced by their values. Other directives are
 * refused.
 */
export function tokenize(source: Source): Token[] {
  return new Lexer(source).scan(0, source.text.length, MOST_TOKENS, 'a text has');
}

class Lexer {
  readonly #source: Source;
  /** The text with comments blanked and line breaks unified; offsets are unchanged. */
  readonly #text: string;
  readonly #macros = new Map<string, readonly Token[]>();

  constructor(source: Source) {
    this.#source = source;
    this.#text = source.text
      .replace(TEXT_OR_COMMENT, (part: string, end: string | undefined, offset: number) => {
        if (end === '') source.fail(offset, 'this comment has no end');
        return part.startsWith('/') ? part.replace(/[^\r\n]/g, ' ') : part;
      })
      .replaceAll('\r', '\n');
  }

  scan(start: number, end: number, most: number, what: string): Token[] {
    const tokens: Token[] = [];
    for (let offset = this.#skip(start); offset < end; offset = this.#skip(offset)) {
      if (this.#text[offset] === '#') {
        offset = this.#directive(offset);
        continue;
      }
      const token = this.#token(offset);
      const meant = this.#macros.get(token.text) ?? [token];
      if (tokens.length + meant.length > most)
        this.#source.fail(offset, `${what} at most ${most} tokens, those that macros stand for included`);
      for (const each of meant) tokens.push({ ...each, offset });
      offset += token.text.length;
    }
    return tokens;
  }

  #token(offset: number): Token {
    const match = this.#match(TOKEN, offset);
    if (match === undefined) {
      const character = String.fromCodePoint(this.#text.codePointAt(offset) ?? 0);
      this.#source.fail(offset, `unexpected character ${shown(character)}`);
    }
    const kinds = match.groups ?? {};
    if (kinds.name !== undefined && kinds.name.length > LONGEST_NAME)
      this.#source.fail(offset, `a name has at most ${LONGEST_NAME} characters`);
    const kind = (['name', 'number', 'text'] as const).find((each) => kinds[each] !== undefined) ?? 'symbol';
    return { kind, text: match[0], offset };
  }

  /** Reads a directive; returns the offset of the end of its line. */
  #directive(offset: number): number {
    const lineStart = this.#text.lastIndexOf('\n', offset) + 1;
    if (this.#skip(lineStart) < offset) this.#source.fail(offset, 'a directive begins its line');
    const lineBreak = this.#text.indexOf('\n', offset);
    const end = lineBreak < 0 ? this.#text.length : lineBreak;
    const [written, directive] = this.#match(DIRECTIVE, offset) ?? ['', ''];
    if (directive !== 'define')
      this.#source.fail(offset, `the directive #${directive} is not supported, only #define`);
    const nameOffset = this.#skip(offset + written.length);
    if (nameOffset >= end) this.#source.fail(offset, '#define needs a name');
    this.#define(this.#token(nameOffset), end);
    return end;
  }

  #define({ kind, text, offset }: Token, end: number): void {
    if (kind !== 'name') this.#source.fail(offset, `#define needs a name, not ${text}`);
    const start = offset + text.length;
    if (this.#text[start] === '(')
      this.#source.fail(offset, `macros with parameters are not supported: ${text}`);
    this.#macros.set(text, this.scan(start, end, LONGEST_MACRO, 'a macro stands for'));
  }

  #skip(offset: number): number {
    return offset + (this.#match(SPACE, offset)?.[0].length ?? 0);
  }

  #match(pattern: RegExp, offset: number): RegExpExecArray | undefined {
    pattern.lastIndex = offset;
    return pattern.exec(this.#text) ?? undefined;
  }
}
