import { workerData } from 'node:worker_threads';
import { callsOf } from '../operations';
import { serveCalls } from '../worker-side';
import { LocalCluster } from './cluster';
import type { ClusterOperations } from './operations';
import type { ClusterOptions } from './options';

/** Entry of the worker thread of a cluster. */
void serveCalls(async () => {
  const cluster = await LocalCluster.start(workerData as ClusterOptions);
  return { call: callsOf<ClusterOperations>(cluster), started: await cluster.addresses() };
});
