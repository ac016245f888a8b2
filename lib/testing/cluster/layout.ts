/** For each vbucket, the node with the active copy and the nodes with replicas, in this order; -1: none. */
export type Layout = readonly (readonly number[])[];

/** An even layout over the nodes: rows of `replicas + 1` node numbers. */
export function evenLayout(vbuckets: number, replicas: number, nodes: readonly number[]): number[][] {
  return Array.from({ length: vbuckets }, (_, id) =>
    Array.from({ length: replicas + 1 }, (_copy, copy) =>
      copy < nodes.length ? (nodes[(id + copy) % nodes.length] ?? -1) : -1,
    ),
  );
}

/** The row without `node`; the first remaining replica becomes active. */
export function withoutNode(row: readonly number[], node: number): number[] {
  const left = row.filter((each) => each !== node && each !== -1);
  return row.map((_each, index) => left[index] ?? -1);
}
