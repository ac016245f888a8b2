/** A column of a table. */
export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  /** If the table is too wide, columns with this number are dropped, the largest number first. */
  readonly dispensable?: number;
}

const GAP = '  ';

/**
 * A table with column heads, in at most `width` characters per line; the first column is aligned left, the others
 * right.
 */
export function fitted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number): string {
  const cells = columns.map(({ head, cell }) => [head, ...rows.map(cell)]);
  const widths = cells.map((column) => Math.max(...column.map((text) => text.length)));
  const kept = new Set(columns.keys());
  const total = (): number =>
    [...kept].reduce((sum, index) => sum + (widths[index] ?? 0) + GAP.length, -GAP.length);
  const order = [...kept]
    .filter((index) => columns[index]?.dispensable !== undefined)
    .sort((a, b) => (columns[b]?.dispensable ?? 0) - (columns[a]?.dispensable ?? 0));
  for (const index of order) if (total() > width) kept.delete(index);
  const line = (row: number): string =>
    [...kept]
      .map((index) => {
        const text = cells[index]?.[row] ?? '';
        return index === 0 ? text.padEnd(widths[index] ?? 0) : text.padStart(widths[index] ?? 0);
      })
      .join(GAP)
      .trimEnd();
  return Array.from({ length: rows.length + 1 }, (_, row) => line(row)).join('\n');
}

/** Breaks lines at spaces so that none is longer than `width`, except for single long words. */
export function wrapped(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => {
      const lines: string[] = [];
      for (const word of line.split(' ')) {
        const last = lines.at(-1);
        if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
        else lines[lines.length - 1] = `${last} ${word}`;
      }
      return lines.join('\n');
    })
    .join('\n');
}

/** The width of the terminal on stdout, else COLUMNS, else unlimited. */
export function outputWidth(): number {
  const width = process.stdout.columns ?? Number(process.env.COLUMNS);
  return width > 0 ? width : Number.POSITIVE_INFINITY;
}
