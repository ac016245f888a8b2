import type { WriteStream } from 'node:tty';
import { performanceNow } from '../platform';
import { escapeControls } from '../text';

const PLAIN_MS = 1000;

/**
 * A line with the progress of a command: overwritten in place on a terminal, otherwise a plain line about once a
 * second. It is written to stderr, so that the report on stdout can be piped.
 */
export class Progress {
  readonly #stream: NodeJS.WritableStream;
  readonly #mode: 'terminal' | 'plain' | 'off';
  readonly #columns: () => number;
  #drawn = false;
  #lastPlain = -Infinity;

  constructor(stream: NodeJS.WritableStream | WriteStream, enabled: boolean) {
    const terminal = 'isTTY' in stream && stream.isTTY;
    this.#stream = stream;
    this.#mode = enabled ? (terminal ? 'terminal' : 'plain') : 'off';
    this.#columns = () => ('columns' in stream && stream.columns > 1 ? stream.columns - 1 : 79);
  }

  show(text: string): void {
    const line = escapeControls(text);
    if (this.#mode === 'terminal') {
      // A wrapped line could not be overwritten.
      this.#stream.write(`\r\x1b[K${line.slice(0, this.#columns())}`);
      this.#drawn = true;
    } else if (this.#mode === 'plain' && performanceNow() - this.#lastPlain >= PLAIN_MS) {
      this.#stream.write(`${line}\n`);
      this.#lastPlain = performanceNow();
    }
  }

  /** Removes the line before anything else is printed. */
  clear(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[K');
    this.#drawn = false;
  }
}
