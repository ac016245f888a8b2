const LONGEST = 64;

/** The known name that was probably meant: at least half of its letters match. */
export function nearest(written: string, names: Iterable<string>): string | undefined {
  if (written.length > LONGEST) return undefined;
  let best: string | undefined;
  let least = 0.5;
  for (const name of names) {
    const distance = typos(written.toLowerCase(), name.toLowerCase());
    const share = distance / Math.max(written.length, name.length);
    if (best === undefined ? share <= least : share < least) {
      best = name;
      least = share;
    }
  }
  return best;
}

/** The number of missing, added, wrong or transposed letters: the optimal string alignment distance. */
function typos(some: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= some.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const differs = some[row - 1] === other[column - 1] ? 0 : 1;
      const candidates = [at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + differs];
      if (row > 1 && some[row - 1] === other[column - 2] && some[row - 2] === other[column - 1])
        candidates.push(at(beforeLast, column - 2) + 1);
      current.push(Math.min(...candidates));
    }
    beforeLast = last;
    last = current;
  }
  return at(last, other.length);
}

function at(distances: readonly number[], column: number): number {
  return distances[column] ?? Number.POSITIVE_INFINITY;
}
