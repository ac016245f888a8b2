import { escapeControls } from '../text';

/** Writes to stdout: what a server, a file or a database has a part in cannot reach the terminal as a command. */
export function print(text: string): boolean {
  return process.stdout.write(escapeControls(text));
}

/** The same to stderr. */
export function complain(text: string): void {
  process.stderr.write(escapeControls(text));
}
