import { escapeControls } from '../text';

/** Writes to stdout: what a server, a file or a database has a part in cannot reach the terminal as a command. */
export function print(text: string): boolean {
  return process.stdout.write(escapeControls(text));
}

/** The same to stderr. */
export function complain(text: string): void {
  process.stderr.write(escapeControls(text));
}

const COMMANDS = {
  /** To a page of its own, without a cursor. */
  enter: '\x1b[?1049h\x1b[?25l',
  /** Back to the page before. */
  leave: '\x1b[?25h\x1b[?1049l',
  toStart: '\x1b[H',
  clearLine: '\x1b[K',
  clearBelow: '\x1b[J',
} as const;

/** What the command itself has the terminal do; nobody else has a part in it. */
export function command(name: keyof typeof COMMANDS): void {
  process.stdout.write(COMMANDS[name]);
}
