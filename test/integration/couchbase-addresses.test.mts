import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ConnectionError, type CouchbaseConnectOptions, TimeoutError } from '../../lib/index.ts';
import type { ClusterOptions, TestCluster } from '../../lib/testing/index.ts';
import { join, started as startedCluster } from './couchbase-clusters.mts';

/** A cluster of two nodes, and a database on it. */
const started = (options: ClusterOptions, joining: CouchbaseConnectOptions = {}) =>
  startedCluster({ nodes: 2, vbuckets: 16, replicas: 0, ...options }, joining);

const KEYS = Array.from({ length: 50 }, (_, i) => `key-${i}`);
/** Nobody has these addresses. */
const NOWHERE = ['192.0.2.1', '192.0.2.2'];
const HERE = ['127.0.0.1', '127.0.0.1'];

const namesOf = ({ nodes }: TestCluster, host: string) => nodes.map(({ port }) => `${host}:${port}`);

describe('servers are connected to', () => {
  test('by the names that they have in the configuration', async () => {
    await using ready = await started({ hostnames: ['localhost', 'localhost'] });
    const { db, cluster } = ready;
    await Promise.all(KEYS.map((key) => db.upsert(key, key)));
    assert.equal((await db.getMany(KEYS)).size, KEYS.length);
    assert.deepEqual(
      db.topology.nodes.map(({ name }) => name),
      namesOf(cluster, 'localhost'),
    );
  });

  for (const network of [undefined, 'auto', 'external'] as const)
    test(`by the alternate addresses to which the url belongs (network: ${network})`, async () => {
      const options = { hostnames: NOWHERE, alternateAddresses: { external: HERE } };
      await using ready = await started(options, { network });
      const { db, cluster } = ready;
      await Promise.all(KEYS.map((key) => db.upsert(key, key)));
      assert.equal((await db.getMany(KEYS)).size, KEYS.length);
      assert.deepEqual(
        db.topology.nodes.map(({ name }) => name),
        namesOf(cluster, '127.0.0.1'),
      );
    });

  test('by their own addresses when those are asked for', async () => {
    const options = { hostnames: HERE, alternateAddresses: { external: NOWHERE } };
    await using ready = await started(options, { network: 'default' });
    await Promise.all(KEYS.map((key) => ready.db.upsert(key, key)));
    await assert.rejects(join(ready.cluster, { network: 'external', connectTimeout: 300 }), ConnectionError);
    await assert.rejects(join(ready.cluster, { network: 'moon' }), /moon/);
  });
});

test('operations on a bucket that is dropped wait for one of the same name', async () => {
  await using ready = await started({}, { pollInterval: 50 });
  const { db, cluster } = ready;
  await Promise.all(KEYS.map((key) => db.upsert(key, 'old')));
  await cluster.dropBucket('default');
  await assert.rejects(db.get('key-0', { timeout: 100 }), TimeoutError);
  const waiting = db.get('key-0');
  await setTimeout(0);
  await cluster.createBucket({ name: 'default' });
  assert.equal(await waiting, undefined);
  await Promise.all(KEYS.map((key) => db.upsert(key, 'new')));
  assert.equal((await cluster.document('key-7'))?.value.toString(), 'new');
  assert.equal((await db.getMany(KEYS)).size, KEYS.length);
});
