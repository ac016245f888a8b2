import { escapeControls } from '../text';
import { command, print } from './output';

/** In raw mode, Ctrl-C is an ordinary key. */
const QUIT = ['q', 'Q', '\u0003'];

/**
 * Takes over the terminal to show pages in place. Restores it when closed, and when the process ends. `onQuit` is
 * called when q or Ctrl-C is pressed.
 */
export class Screen {
  readonly #onQuit: () => void;
  #page = (_width: number): string => '';
  #isOpen = true;
  readonly #draw = (): void => {
    const { columns = 80, rows = 24 } = process.stdout;
    const lines = escapeControls(this.#page(columns)).split('\n');
    if (lines.length > rows)
      lines.splice(rows - 1, Number.POSITIVE_INFINITY, '… a larger terminal shows more');
    command('toStart');
    for (const [row, line] of lines.entries()) {
      print(`${row === 0 ? '' : '\n'}${line.slice(0, columns)}`);
      if (line.length < columns) command('clearLine');
    }
    command('clearBelow');
  };
  readonly #onKey = (keys: Buffer): void => {
    if (QUIT.some((key) => keys.includes(key))) this.#onQuit();
  };
  readonly #onExit = (): void => this.close();

  constructor(onQuit: () => void) {
    this.#onQuit = onQuit;
    command('enter');
    process.once('exit', this.#onExit);
    process.stdout.on('resize', this.#draw);
    if (process.stdin.isTTY) process.stdin.setRawMode(true).on('data', this.#onKey);
  }

  /** Shows the page now, and again whenever the terminal is resized. */
  show(page: (width: number) => string): void {
    this.#page = page;
    this.#draw();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#onExit);
    process.stdout.off('resize', this.#draw);
    if (process.stdin.isTTY) process.stdin.setRawMode(false).off('data', this.#onKey).pause();
    command('leave');
  }
}
