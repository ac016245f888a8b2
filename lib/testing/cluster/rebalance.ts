import type { Bucket } from './bucket';
import { evenLayout } from './layout';

/** What a rebalance needs of the cluster. */
export interface Rebalancing {
  readonly order: 'old first' | 'new first';
  /** Waits between the two steps of a hand-over. */
  pause(): Promise<void>;
  /** Publishes the changed map. */
  publish(): void;
}

/** Distributes a bucket evenly over the nodes, one vbucket at a time. */
export async function rebalance(
  bucket: Bucket,
  nodes: readonly number[],
  rebalancing: Rebalancing,
): Promise<void> {
  const { vbuckets, replicas } = bucket.settings;
  const layout = evenLayout(vbuckets, replicas, nodes);
  bucket.forward = layout;
  rebalancing.publish();
  for (const [id, row] of layout.entries()) {
    const before = bucket.map[id] ?? [];
    if (row.every((node, index) => before[index] === node)) continue;
    bucket.prepare(id, row);
    const [from = -1] = before;
    const [to = -1] = row;
    if (from !== to) await handOver(bucket, id, row, { from, to }, rebalancing);
    else bucket.announce(id, row);
    bucket.settle(id, row);
    rebalancing.publish();
  }
  bucket.forward = undefined;
  rebalancing.publish();
}

async function handOver(
  bucket: Bucket,
  id: number,
  row: readonly number[],
  { from, to }: { readonly from: number; readonly to: number },
  { order, pause, publish }: Rebalancing,
): Promise<void> {
  if (from === -1) {
    bucket.begin(id, to);
    bucket.announce(id, row);
    return;
  }
  if (order === 'old first') {
    bucket.retire(id, from);
    await pause();
    bucket.takeOver(id, from, to);
    bucket.announce(id, row);
    return;
  }
  bucket.activate(id, to);
  bucket.announce(id, row);
  publish();
  await pause();
  bucket.retire(id, from);
}
