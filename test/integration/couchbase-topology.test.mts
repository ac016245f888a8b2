// How a database follows what servers say about their cluster.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startCluster } from '../../lib/testing/index.ts';
import { join, KEYS, started } from './couchbase-clusters.mts';

describe('while the bucket has no partitions', () => {
  test('connect() waits for them', async () => {
    const cluster = await startCluster({ nodes: 2 });
    const truth = await cluster.configuration('default');
    const asked = await cluster.fault({ opcode: 'getClusterConfig', action: { kind: 'delay', ms: 1 } });
    await cluster.forge({ text: truth.replace(/"vBucketMap":\[.*?\]\]/, '"vBucketMap":[]') });
    const joining = join(cluster);
    await asked.waitForHits(3);
    await cluster.tellTruth();
    const db = await joining;
    await db.upsert('k', 1);
    assert.equal(await db.get('k'), 1);
    await db.close();
    await cluster.close();
  });

  test('keys stay with the servers that had them', async () => {
    await using ready = await started({}, { pollInterval: 50 });
    const { db, cluster } = ready;
    await Promise.all(KEYS.map((key) => db.upsert(key, key)));
    const nodesExt = [{ hostname: '127.0.0.1', services: { kv: 1 } }];
    const common = { revEpoch: 1, name: 'default', nodesExt };
    for (const [at, map] of [{}, { vBucketServerMap: { vBucketMap: [] } }].entries()) {
      const asked = await cluster.fault({ opcode: 'getClusterConfig', action: { kind: 'delay', ms: 1 } });
      await cluster.forge({ text: JSON.stringify({ rev: 9000 + at, ...common, ...map }) });
      await asked.waitForHits(4);
      assert.equal((await db.getMany(KEYS)).size, KEYS.length);
      await asked.remove();
    }
    assert.equal(db.topology.nodes.length, 3);
  });
});
