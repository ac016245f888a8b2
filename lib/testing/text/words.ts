/** The words of a line; only spaces part them. */
export function wordsOf(line: string): string[] {
  return line.split(' ').filter((word) => word !== '');
}
