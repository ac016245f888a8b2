import { DdlSyntaxError } from '../../errors';
import { escapeControls, excerpt } from '../../text';

/** The longest part of a line to show, so that a very long line does not fill the screen. */
const EXCERPT = 100;
const LONGEST_PROBLEM = 400;

export interface Position {
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 code units. */
  readonly column: number;
}

/** A schema text with its name for messages. */
export class Source {
  /** Offsets of the lines, computed on demand and kept: there may be as many warnings as lines. */
  #starts: readonly number[] | undefined;

  constructor(
    readonly text: string,
    readonly name: string | undefined,
  ) {}

  position(offset: number): Position {
    this.#starts ??= startsOf(this.text);
    let line = 0;
    for (let beyond = this.#starts.length; beyond - line > 1; ) {
      const middle = (line + beyond) >> 1;
      if ((this.#starts[middle] as number) <= offset) line = middle;
      else beyond = middle;
    }
    return { line: line + 1, column: offset - (this.#starts[line] as number) + 1 };
  }

  fail(offset: number, problem: string): never {
    const { line, column } = this.position(offset);
    const where =
      this.name === undefined ? `line ${line}, column ${column}` : `${excerpt(this.name)}:${line}:${column}`;
    const message = `${where}: ${excerpt(problem, LONGEST_PROBLEM)}\n${this.#excerpt(offset, column)}`;
    throw new DdlSyntaxError(message, { context: { line, column }, multiline: true });
  }

  /** The line, with a mark below the column. */
  #excerpt(offset: number, column: number): string {
    const [line = ''] = this.text.slice(offset - column + 1).split(/[\r\n]/, 1);
    const start = Math.max(0, column - EXCERPT / 2);
    const shown = line.slice(start, start + EXCERPT);
    // Tabs are kept, so that the mark is aligned with the text.
    const indent = escapeControls(shown.slice(0, column - 1 - start)).replace(/[^\t]/g, ' ');
    return `  ${escapeControls(shown)}\n  ${indent}^`;
  }
}

function startsOf(text: string): number[] {
  const starts = [0];
  for (const { index, 0: end } of text.matchAll(/\r\n|\r|\n/g)) starts.push(index + end.length);
  return starts;
}
