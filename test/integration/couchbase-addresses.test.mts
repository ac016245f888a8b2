import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  ConnectionError,
  type CouchbaseConnectOptions,
  type CouchbaseUrl,
  connect,
  TimeoutError,
} from '../../lib/index.ts';
import { type ClusterOptions, startCluster, type TestCluster } from '../../lib/testing/index.ts';

const LOGIN = { username: 'Administrator', password: 'password', timeout: 30_000, connectTimeout: 20_000 };

const join = (cluster: TestCluster, options: CouchbaseConnectOptions = {}) =>
  connect(cluster.url as CouchbaseUrl, { ...LOGIN, ...options });

async function started(options: ClusterOptions, joining: CouchbaseConnectOptions = {}) {
  const cluster = await startCluster({ nodes: 2, vbuckets: 16, ...options });
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
