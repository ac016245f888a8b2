import { escapeControls } from '../text';

/** Writes to stdout. Control characters in text from servers, files or databases are escaped. */
export function print(text: string): boolean {
  return process.stdout.write(escapeControls(text));
}

/** The same for stderr. */
export function complain(text: string): void {
  process.stderr.write(escapeControls(text));
}

const COMMANDS = {
  /** Switches to the alternate screen and hides the cursor. */
  enter: '\x1b[?1049h\x1b[?25l',
  /** Returns to the normal screen. */
  leave: '\x1b[?25h\x1b[?1049l',
  toStart: '\x1b[H',
  clearLine: '\x1b[K',
  clearBelow: '\x1b[J',
} as const;

/** Sends a terminal command of the program's own. */
export function command(name: keyof typeof COMMANDS): void {
  process.stdout.write(COMMANDS[name]);
}
