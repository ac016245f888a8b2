/** Of each vbucket the nodes that have its active copy and its replicas, in this order; -1: none. */
export type Layout = readonly (readonly number[])[];

/** Where the copies are when everything is even: rows of `replicas + 1` numbers of nodes. */
export function evenLayout(vbuckets: number, replicas: number, nodes: readonly number[]): number[][] {
  return Array.from({ length: vbuckets }, (_, id) =>
    Array.from({ length: replicas + 1 }, (_copy, copy) =>
      copy < nodes.length ? (nodes[(id + copy) % nodes.length] ?? -1) : -1,
    ),
  );
}

/** The row after `node` is gone: the first replica that is left becomes the active copy. */
export function withoutNode(row: readonly number[], node: number): number[] {
  const left = row.filter((each) => each !== node && each !== -1);
  return row.map((_each, index) => left[index] ?? -1);
}
