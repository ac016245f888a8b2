// The scripted cluster as Couchbase's own client sees it: whoever misreads the protocol, the two of them do not do it together.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ClusterOpcode, ClusterStatus, startCluster, type TestCluster } from '../../../lib/testing/index.ts';
import { AUTHORITY, SERVER, SERVER_KEY } from '../../certificates.mts';
import {
  type Bucket,
  type Client,
  type Collection,
  client,
  connected,
  skip,
  startApart,
  urlOf,
} from './official.mts';

describe('the official client', { skip }, () => {
  let cluster: TestCluster;
  let connection: Client;

  before(async () => {
    cluster = await startApart();
    connection = await connected(urlOf(cluster));
  });

  after(async () => {
    await connection?.close();
    await cluster?.close();
  });

  const collections: [string, (bucket: Bucket) => Collection][] = [
    ['the default collection', (bucket) => bucket.defaultCollection()],
    ['a collection', (bucket) => bucket.scope('shop').collection('orders')],
  ];
  for (const [name, collectionOf] of collections)
    describe(`in ${name}`, () => {
      let collection: Collection;
      before(() => {
        collection = collectionOf(connection.bucket('default'));
      });

      test('stores, reads and removes', async () => {
        const stored = await collection.upsert('k', { a: 1 });
        assert.ok(Number(stored.token?.toJSON().sequence_number) > 0);
        assert.deepEqual((await collection.get('k')).content, { a: 1 });
        assert.equal((await collection.exists('k')).exists, true);
        await assert.rejects(collection.insert('k', 1), client().DocumentExistsError);
        await assert.rejects(collection.replace('none', 1), client().DocumentNotFoundError);
        const { cas } = await collection.replace('k', { a: 2 }, { cas: stored.cas });
        await assert.rejects(collection.replace('k', 3, { cas: stored.cas }), client().CasMismatchError);
        await collection.remove('k', { cas });
        await assert.rejects(collection.get('k'), client().DocumentNotFoundError);
        assert.equal((await collection.exists('k')).exists, false);
      });

      test('counts, appends, touches and locks', async () => {
        const binary = collection.binary();
        assert.equal((await binary.increment('n', 3, { initial: 7 })).value, 7);
        assert.equal((await binary.increment('n', 3)).value, 10);
        assert.equal((await binary.decrement('n', 1)).value, 9);
        await collection.upsert('t', Buffer.from('b'));
        await binary.append('t', 'c');
        await binary.prepend('t', 'a');
        assert.equal(String((await collection.getAndTouch('t', 100)).content), 'abc');
        await collection.touch('t', 200);
        const { cas } = await collection.getAndLock('t', 10);
        await collection.unlock('t', cas);
        assert.equal(String((await collection.get('t')).content), 'abc');
      });

      test('works on parts of documents', async () => {
        const { LookupInSpec: Lookup, MutateInSpec: Mutate, MutateInMacro } = client();
        await collection.upsert('sub', { list: [1], n: 1, old: true });
        const mutated = await collection.mutateIn('sub', [
          Mutate.upsert('meta.cas', MutateInMacro.Cas, { xattr: true, createPath: true }),
          Mutate.upsert('a.b', 'c', { createPath: true }),
          Mutate.increment('n', 41),
          Mutate.arrayAppend('list', 2),
          Mutate.remove('old'),
        ]);
        assert.equal(mutated.content[2]?.value, 42);
        const found = await collection.lookupIn('sub', [
          Lookup.get('a'),
          Lookup.exists('old'),
          Lookup.count('list'),
          Lookup.get('meta.cas', { xattr: true }),
          Lookup.get('none'),
        ]);
        assert.deepEqual(
          found.content.slice(0, 3).map(({ value }) => value),
          [{ b: 'c' }, false, 2],
        );
        assert.match(String(found.content[3]?.value), /^0x[\da-f]{16}$/);
        assert.ok(found.content[4]?.error instanceof client().PathNotFoundError);
        await assert.rejects(collection.mutateIn('sub', [Mutate.insert('a', 1)]), client().PathExistsError);
        assert.deepEqual((await collection.get('sub')).content, { list: [1, 2], n: 42, a: { b: 'c' } });
      });

      test('writes durably and reads replicas', async () => {
        const { DurabilityLevel } = client();
        for (const durabilityLevel of Object.values(DurabilityLevel).filter((level) => Number(level) > 0))
          await collection.upsert('safe', { durabilityLevel }, { durabilityLevel });
        assert.equal((await collection.getAllReplicas('safe')).length, 2);
        assert.ok((await collection.getAnyReplica('safe')).content);
        const fault = await cluster.fault({
          opcode: 'set',
          key: 'unsure',
          times: 1,
          action: { kind: 'status', status: ClusterStatus.syncWriteAmbiguous },
        });
        await assert.rejects(
          collection.upsert('unsure', 1, { durabilityLevel: DurabilityLevel.Majority }),
          client().DurabilityAmbiguousError,
        );
        assert.equal(await fault.hits(), 1);
      });

      test('scans', async () => {
        const { PrefixScan, RangeScan } = client();
        for (const key of ['scan-a', 'scan-b', 'other']) await collection.upsert(key, key);
        const found = await collection.scan(new PrefixScan('scan-'));
        assert.deepEqual(found.map(({ id }) => id).sort(), ['scan-a', 'scan-b']);
        assert.ok((await collection.scan(new RangeScan())).length >= 3);
      });
    });

  test('follows a rebalance', async () => {
    const collection = connection.bucket('default').defaultCollection();
    const keys = Array.from({ length: 50 }, (_, index) => `moved${index}`);
    for (const key of keys) await collection.upsert(key, key);
    const [first] = cluster.nodes;
    assert.ok(first);
    const moving = cluster.rebalance({ add: 1, remove: [first], order: 'new first' });
    for (const key of keys) assert.equal((await collection.get(key)).content, key);
    await moving;
    for (const key of keys) await collection.replace(key, `${key} again`);
    const third = cluster.nodes[2];
    assert.ok(third);
    const heard = await third.commands();
    assert.ok(heard.some(({ opcode }) => opcode === ClusterOpcode.replace));
  });
});

test('the official client connects with TLS', { skip }, async () => {
  await using cluster = await startCluster({ worker: true, tls: { cert: SERVER, key: SERVER_KEY } });
  const { mkdtemp, rm, writeFile } = await import('node:fs/promises');
  const folder = await mkdtemp('authority-');
  const trustStorePath = `${folder}/authority.pem`;
  await writeFile(trustStorePath, AUTHORITY);
  const connection = await connected(urlOf(cluster), { security: { trustStorePath } });
  try {
    const collection = connection.bucket('default').defaultCollection();
    await collection.upsert('k', 1);
    assert.equal((await collection.get('k')).content, 1);
  } finally {
    await connection.close();
    await rm(folder, { recursive: true });
  }
});
