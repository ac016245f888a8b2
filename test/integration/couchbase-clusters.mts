import assert from 'node:assert/strict';
import { type CouchbaseConnectOptions, type CouchbaseUrl, connect } from '../../lib/index.ts';
import {
  type ClusterOptions,
  startCluster,
  type TestCluster,
  type TestNode,
} from '../../lib/testing/index.ts';

export const LOGIN = {
  username: 'Administrator',
  password: 'password',
  timeout: 30_000,
  connectTimeout: 20_000,
};

export const join = (cluster: TestCluster, options: CouchbaseConnectOptions = {}) =>
  connect(cluster.url as CouchbaseUrl, { ...LOGIN, ...options });

/** A cluster of three nodes, and a database on it. */
export async function started(options: ClusterOptions = {}, joining: CouchbaseConnectOptions = {}) {
  const cluster = await startCluster({ nodes: 3, vbuckets: 64, replicas: 1, ...options });
  const db = await join(cluster, joining).catch(async (error) => {
    await cluster.close();
    throw error;
  });
  return {
    cluster,
    db,
    async [Symbol.asyncDispose]() {
      await db.close();
      await cluster.close();
    },
  };
}

export const KEYS = Array.from({ length: 300 }, (_, i) => `key-${i}`);

export function nodeAt(cluster: TestCluster, number: number): TestNode {
  const node = cluster.nodes[number];
  assert.ok(node);
  return node;
}
