import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import {
  type ClusterOptions,
  Feature,
  ClusterOpcode as Op,
  ClusterStatus as Status,
  startCluster,
  type TestCluster,
  type TestNode,
} from '../../lib/testing/index.ts';
import { ClusterClient, type Joining, storeExtras } from './cluster-client.mts';

/** A cluster with one client of its first node. */
async function started(options: ClusterOptions = {}, joining: Joining = {}) {
  const cluster = await startCluster(options);
  const client = await ClusterClient.join(nodeAt(cluster, 0), joining);
  return {
    cluster,
    client,
    async [Symbol.asyncDispose]() {
      await client.close();
      await cluster.close();
    },
  };
}

function nodeAt(cluster: TestCluster, number: number): TestNode {
  const node = cluster.nodes[number];
  assert.ok(node);
  return node;
}

/** A key whose active copy is on the node; `replica`: whose first replica is. */
function keyOn(client: ClusterClient, config: string, node: number, copy = 0): string {
  const { vBucketMap } = JSON.parse(config).vBucketServerMap as { vBucketMap: number[][] };
  for (let count = 0; ; count += 1)
    if (vBucketMap[client.partition(`key${count}`)]?.[copy] === node) return `key${count}`;
}

test('HELLO grants what it knows and is asked for, and nothing that is withheld', async () => {
  await using ready = await started({ withoutFeatures: [Feature.collections] }, { features: [] });
  const granted = await ready.client.hello([Feature.json, 0x7777, Feature.collections, Feature.xerror]);
  assert.deepEqual(granted, [Feature.json, Feature.xerror]);
});

test('each mechanism of SCRAM proves both sides', async () => {
  await using ready = await started();
  for (const [mechanism, hash] of [
    ['SCRAM-SHA512', 'sha512'],
    ['SCRAM-SHA256', 'sha256'],
    ['SCRAM-SHA1', 'sha1'],
  ] as const) {
    const client = await ClusterClient.open(nodeAt(ready.cluster, 0));
    const bare = 'n=Administrator,r=abc';
    const first = await client.ask({ opcode: Op.saslAuth, key: mechanism, value: `n,,${bare}` });
    assert.equal(first.word, Status.authContinue);
    const challenge = first.value.toString();
    const [, nonce = '', salt = '', iterations = ''] = /^r=(.*),s=(.*),i=(\d+)$/.exec(challenge) ?? [];
    const bytes = createHash(hash).digest().length;
    const salted = pbkdf2Sync('password', Buffer.from(salt, 'base64'), Number(iterations), bytes, hash);
    const key = createHmac(hash, salted).update('Client Key').digest();
    const said = `${bare},${challenge},c=biws,r=${nonce}`;
    const signature = createHmac(hash, createHash(hash).update(key).digest()).update(said).digest();
    const proof = key.map((byte, index) => byte ^ (signature[index] ?? 0));
    const last = await client.ask({
      opcode: Op.saslStep,
      key: mechanism,
      value: `c=biws,r=${nonce},p=${Buffer.from(proof).toString('base64')}`,
    });
    assert.equal(last.word, Status.success);
    const server = createHmac(hash, salted).update('Server Key').digest();
    assert.equal(last.value.toString(), `v=${createHmac(hash, server).update(said).digest('base64')}`);
    await client.close();
  }
});

test('keys have up to 250 bytes, and up to 246 in collections other than the default one', async () => {
  await using ready = await started({ collections: { shop: ['orders'] } });
  const id = await ready.client.ask({ opcode: Op.collectionsGetId, value: 'shop.orders' });
  const collection = id.extras.readUInt32BE(8);
  for (const [length, where, status] of [
    [250, 0, Status.success],
    [251, 0, Status.invalidArguments],
    [246, collection, Status.success],
    [247, collection, Status.invalidArguments],
  ] as const)
    assert.equal((await ready.client.set('k'.repeat(length), 'v', { collection: where })).word, status);
});

test('nobody is served without the right password, or without a bucket', async () => {
  await using ready = await started();
  const client = await ClusterClient.open(nodeAt(ready.cluster, 0));
  assert.equal((await client.get('a')).word, Status.accessDenied);
  const wrong = { opcode: Op.saslAuth, key: 'PLAIN', value: '\0Administrator\0wrong' };
  assert.equal((await client.ask(wrong)).word, Status.authError);
  const forged = { opcode: Op.saslAuth, key: 'SCRAM-SHA1', value: 'n,,n=Administrator,r=x' };
  assert.equal((await client.ask(forged)).word, Status.authContinue);
  const step = { opcode: Op.saslStep, key: 'SCRAM-SHA1', value: 'c=biws,r=x,p=AAAA' };
  assert.equal((await client.ask(step)).word, Status.authError);
  await client.close();
  const stranger = await ClusterClient.join(nodeAt(ready.cluster, 0), { bucket: null });
  assert.equal((await stranger.get('a')).word, Status.noBucket);
  assert.equal((await stranger.ask({ opcode: Op.selectBucket, key: 'other' })).word, Status.accessDenied);
  await stranger.close();
});

test('documents are stored with flags, JSON is found out, a mutation has a token', async () => {
  await using ready = await started();
  const { client } = ready;
  const stored = await client.put('a', '{"x":1}', { extras: storeExtras(7) });
  assert.equal(stored.extras.length, 16);
  assert.equal(stored.extras.readBigUInt64BE(8), 1n);
  const { value, extras, cas, datatype } = await client.get('a');
  assert.deepEqual([value.toString(), extras.readUInt32BE(0), cas, datatype], ['{"x":1}', 7, stored.cas, 1]);
  await client.put('a', 'text');
  assert.equal((await client.get('a')).datatype, 0);
  assert.equal((await client.set('a', 'b', { cas: stored.cas })).word, Status.keyExists);
  assert.equal((await client.set('none', 'b', { cas: 5n })).word, Status.keyNotFound);
});

test('add, replace, append, delete and counters end as the protocol says', async () => {
  await using ready = await started();
  const { client } = ready;
  const extras = storeExtras();
  const counting = Buffer.alloc(20);
  counting.writeBigUInt64BE(5n, 0);
  counting.writeBigUInt64BE(40n, 8);
  const count = { opcode: Op.increment, key: 'n', extras: counting };
  const statuses = [];
  for (const request of [
    { opcode: Op.replace, key: 'a', value: '1', extras },
    { opcode: Op.add, key: 'a', value: '1', extras },
    { opcode: Op.add, key: 'a', value: '1', extras },
    { opcode: Op.append, key: 'none', value: '1' },
    { opcode: Op.append, key: 'a', value: 'x' },
    { opcode: Op.delete, key: 'none' },
    { ...count, key: 'a' },
  ])
    statuses.push((await client.ask(request)).word);
  assert.deepEqual(statuses, [
    Status.keyNotFound,
    Status.success,
    Status.keyExists,
    Status.notStored,
    Status.success,
    Status.keyNotFound,
    Status.nonNumeric,
  ]);
  assert.equal((await client.ask(count)).value.readBigUInt64BE(0), 40n);
  assert.equal((await client.ask(count)).value.readBigUInt64BE(0), 45n);
  const down = await client.ask({ ...count, opcode: Op.decrement });
  assert.equal(down.value.readBigUInt64BE(0), 40n);
  assert.equal((await client.ask({ opcode: Op.delete, key: 'n' })).word, Status.success);
  const meta = await client.ask({ opcode: Op.getMeta, key: 'n', extras: Buffer.from([2]) });
  assert.deepEqual([meta.extras.length, meta.extras.readUInt32BE(0)], [21, 1]);
});

test('documents expire by the clock that a test moves, and keep their expiry where that is asked for', async () => {
  await using ready = await started();
  const { client, cluster } = ready;
  await client.put('short', 'x', { extras: storeExtras(0, 10) });
  await client.put('short', 'y', { framing: Buffer.from([0x50]) });
  await client.put('long', 'x', { extras: storeExtras(0, 10) });
  await client.put('long', 'y');
  await cluster.timeTravel(11);
  assert.equal((await client.get('short')).word, Status.keyNotFound);
  assert.equal((await client.get('long')).word, Status.success);
  assert.equal((await cluster.document('short'))?.deletion, 'expired');
});

test('a locked document is written by whoever has locked it, or when the time is over', async () => {
  await using ready = await started();
  const { client, cluster } = ready;
  await client.put('a', '1');
  const lock = await client.ask({ opcode: Op.getLocked, key: 'a' });
  assert.equal((await client.set('a', '2')).word, Status.locked);
  assert.equal((await client.get('a')).cas, 0xffff_ffff_ffff_ffffn);
  assert.equal((await client.ask({ opcode: Op.unlock, key: 'a', cas: 1n })).word, Status.locked);
  assert.equal((await client.set('a', '2', { cas: lock.cas })).word, Status.success);
  assert.equal((await client.ask({ opcode: Op.unlock, key: 'a', cas: lock.cas })).word, Status.notLocked);
  await client.ask({ opcode: Op.getLocked, key: 'a' });
  await cluster.timeTravel(16);
  assert.equal((await client.set('a', '3')).word, Status.success);
});

test('a key of another node is answered with the configuration, which is not repeated to those who ask for that', async () => {
  const features = [Feature.xerror, Feature.dedupeNotMyVbucket, Feature.json];
  await using ready = await started({ nodes: 2 }, { features });
  const { client, cluster } = ready;
  const key = keyOn(client, await cluster.configuration('default'), 1);
  const first = await client.get(key);
  assert.equal(first.word, Status.notMyVbucket);
  assert.equal(JSON.parse(first.value.toString()).name, 'default');
  const second = await client.get(key);
  assert.deepEqual([second.word, second.value.length], [Status.notMyVbucket, 0]);
});

test('a replica has what the active copy has, and answers no plain get', async () => {
  await using ready = await started({ nodes: 2 });
  const { client, cluster } = ready;
  const key = keyOn(client, await cluster.configuration('default'), 0);
  await client.put(key, 'x');
  const other = await ClusterClient.join(nodeAt(cluster, 1));
  assert.equal((await other.get(key)).word, Status.notMyVbucket);
  assert.equal((await other.ask({ opcode: Op.getReplica, key })).value.toString(), 'x');
  await other.close();
});

test('collections are found by their paths and dropped; who uses one that is gone hears of the manifest', async () => {
  await using ready = await started({ collections: { shop: ['orders'] } });
  const { client, cluster } = ready;
  const found = await client.ask({ opcode: Op.collectionsGetId, value: 'shop.orders' });
  const collection = found.extras.readUInt32BE(8);
  await client.put('a', 'in orders', { collection });
  assert.equal((await client.get('a')).word, Status.keyNotFound);
  assert.equal((await client.get('a', collection)).value.toString(), 'in orders');
  assert.equal(
    (await cluster.document('a', { scope: 'shop', collection: 'orders' }))?.value.toString(),
    'in orders',
  );
  await cluster.dropCollection('shop', 'orders');
  const gone = await client.get('a', collection);
  assert.equal(gone.word, Status.unknownCollection);
  assert.deepEqual(JSON.parse(gone.value.toString()), { manifest_uid: '3' });
  const missing = await client.ask({ opcode: Op.collectionsGetId, value: 'none.orders' });
  assert.equal(missing.word, Status.unknownScope);
  const manifest = await client.ask({ opcode: Op.collectionsGetManifest });
  assert.equal(JSON.parse(manifest.value.toString()).uid, '3');
});

test('nodes other than the first know an older manifest while changes of it are held back', async () => {
  await using ready = await started({ nodes: 2, collections: { shop: ['orders'] } });
  const { client, cluster } = ready;
  const other = await ClusterClient.join(nodeAt(cluster, 1));
  const key = keyOn(client, await cluster.configuration('default'), 1);
  const idOf = (path: string, asked = client) => asked.ask({ opcode: Op.collectionsGetId, value: path });
  const orders = (await idOf('shop.orders')).extras.readUInt32BE(8);
  await cluster.hold('manifest');
  await cluster.createCollection('shop', 'late');
  await cluster.dropCollection('shop', 'orders');
  assert.equal((await idOf('shop.orders')).word, Status.unknownCollection);
  assert.equal((await idOf('shop.late', other)).word, Status.unknownCollection);
  const collection = (await idOf('shop.late')).extras.readUInt32BE(8);
  const refused = await other.set(key, 'x', { collection });
  assert.equal(refused.word, Status.unknownCollection);
  assert.deepEqual(JSON.parse(refused.value.toString()), { manifest_uid: '2' });
  assert.equal((await other.set(key, 'x', { collection: orders })).word, Status.success);
  await cluster.release('manifest');
  assert.equal((await other.set(key, 'x', { collection })).word, Status.success);
  assert.equal((await other.set(key, 'x', { collection: orders })).word, Status.unknownCollection);
  await other.close();
});

test('durability: levels are looked at, majorities counted, and what is undecided stops other writes', async () => {
  await using ready = await started({ nodes: 2 });
  const { client, cluster } = ready;
  const key = keyOn(client, await cluster.configuration('default'), 0);
  const majority = { framing: Buffer.from([0x11, 1]) };
  assert.equal(
    (await client.set(key, 'x', { framing: Buffer.from([0x11, 9]) })).word,
    Status.durabilityInvalidLevel,
  );
  assert.equal((await client.set(key, 'x', majority)).word, Status.success);
  for (const [outcome, status, value] of [
    ['commit', Status.success, 'commit'],
    ['ambiguous', Status.syncWriteAmbiguous, 'commit'],
  ] as const) {
    await cluster.hold('durability');
    const pending = client.set(key, outcome, majority);
    assert.equal((await client.set(key, 'y')).word, Status.syncWriteInProgress);
    await cluster.release('durability', { outcome });
    assert.equal((await pending).word, status);
    assert.equal((await client.get(key)).value.toString(), value);
  }
  await cluster.hold('durability');
  const timed = { framing: Buffer.from([0x13, 1, 0, 20]) };
  assert.equal((await client.set(key, 'late', timed)).word, Status.syncWriteAmbiguous);
  assert.equal((await client.get(key)).value.toString(), 'commit');
  assert.equal((await client.set(key, 'y')).word, Status.success);
  await cluster.release('durability');
  await cluster.failover(nodeAt(cluster, 1));
  assert.equal((await client.set(key, 'x', majority)).word, Status.durabilityImpossible);
});

test('a configuration is told to those who know an older one, and pushed to those who want that', async () => {
  const features = [Feature.duplex, Feature.clusterMapChange, Feature.configWithKnownVersion, Feature.json];
  await using ready = await started({ nodes: 2 }, { features });
  const { client, cluster } = ready;
  const brief = await ClusterClient.join(nodeAt(cluster, 0), {
    features: [...features, Feature.clusterMapChangeBrief],
  });
  const { rev, revEpoch } = JSON.parse((await client.ask({ opcode: Op.getClusterConfig })).value.toString());
  const known = Buffer.alloc(16);
  known.writeBigInt64BE(BigInt(revEpoch), 0);
  known.writeBigInt64BE(BigInt(rev), 8);
  const ask = { opcode: Op.getClusterConfig, extras: known };
  assert.equal((await client.ask(ask)).value.length, 0);
  await cluster.failover(nodeAt(cluster, 1));
  const pushed = await client.next();
  assert.deepEqual([pushed.magic, pushed.opcode, pushed.key.toString()], [0x82, 1, 'default']);
  assert.equal(JSON.parse(pushed.value.toString()).rev, rev + 1);
  assert.equal((await brief.next()).value.length, 0);
  assert.equal(JSON.parse((await client.ask(ask)).value.toString()).rev, rev + 1);
  await brief.close();
});

test('a configuration may be whatever text a test gives, until the truth is told again', async () => {
  await using ready = await started({ nodes: 2 });
  const { client, cluster } = ready;
  await cluster.forge({ text: '{"rev":', epoch: 9n, revision: 2n ** 62n, node: 0 });
  assert.equal((await client.ask({ opcode: Op.getClusterConfig })).value.toString(), '{"rev":');
  const other = await ClusterClient.join(nodeAt(cluster, 1));
  const told = await other.ask({ opcode: Op.getClusterConfig });
  assert.match(told.value.toString(), /^\{"rev":4611686018427387904,"revEpoch":9,/);
  await cluster.tellTruth();
  assert.match(
    (await client.ask({ opcode: Op.getClusterConfig })).value.toString(),
    /"rev":4611686018427387905,/,
  );
  await other.close();
});

test('faults strike on one node or on any, as often as they say, and whatever the status is', async () => {
  await using ready = await started({ nodes: 2, record: true });
  const { client, cluster } = ready;
  const key = keyOn(client, await cluster.configuration('default'), 0);
  const fault = await cluster.fault({
    opcode: 'get',
    times: 2,
    action: { kind: 'status', status: Status.temporaryFailure, body: 'later' },
  });
  const twice = [await client.get(key), await client.get(key), await client.get(key)];
  assert.deepEqual(
    twice.map(({ word }) => word),
    [Status.temporaryFailure, Status.temporaryFailure, Status.keyNotFound],
  );
  await fault.waitForHits(2);
  await nodeAt(cluster, 0).fault({ opcode: 'set', action: { kind: 'close' } });
  client.send({ opcode: Op.set, key, extras: storeExtras() });
  await nodeAt(cluster, 0).waitForConnections(0);
  const heard = await nodeAt(cluster, 0).commands();
  assert.deepEqual([heard.at(-1)?.opcode, heard.at(-1)?.vbucket], [Op.set, client.partition(key)]);
  assert.deepEqual(await nodeAt(cluster, 1).commands(), []);
});

for (const order of ['old first', 'new first'] as const)
  test(`a rebalance, ${order}, loses nothing that is written meanwhile`, async () => {
    await using ready = await started({ nodes: 2, vbuckets: 16 }, { vbuckets: 16 });
    const { client, cluster } = ready;
    const clients = [client, await ClusterClient.join(nodeAt(cluster, 1), { vbuckets: 16 })];
    const keys = Array.from({ length: 100 }, (_, index) => `key${index}`);
    const writtenBy = async (key: string, value: string): Promise<boolean> => {
      for (const each of clients) if ((await each.set(key, value)).word === Status.success) return true;
      return false;
    };
    for (const key of keys) assert.ok(await writtenBy(key, 'before'));
    const moving = cluster.rebalance({ add: 1, remove: [nodeAt(cluster, 0)], order });
    const written = new Set<string>();
    while (written.size === 0) for (const key of keys) if (await writtenBy(key, 'while')) written.add(key);
    await moving;
    clients.push(await ClusterClient.join(nodeAt(cluster, 2), { vbuckets: 16 }));
    for (const key of keys) {
      const answers = await Promise.all(clients.map((each) => each.get(key)));
      const values = answers.filter(({ word }) => word === 0).map(({ value }) => value.toString());
      assert.deepEqual(values, [written.has(key) ? 'while' : 'before'], key);
      assert.equal(answers[0]?.word, Status.notMyVbucket);
    }
    for (const each of clients) await each.close();
  });

test('a node dies without a word and comes back at its port, without what had not been persisted', async () => {
  await using ready = await started();
  const { client, cluster } = ready;
  const node = nodeAt(cluster, 0);
  const { extras: before } = await client.put('old', 'x');
  await cluster.hold('persistence');
  await client.put('new', 'x');
  await node.kill({ reset: true });
  await assert.rejects(ClusterClient.open(node), { code: 'ECONNREFUSED' });
  await node.respawn();
  const again = await ClusterClient.join(node);
  assert.equal((await again.get('old')).word, Status.success);
  assert.equal((await again.get('new')).word, Status.keyNotFound);
  const { extras: after } = await again.put('old', 'y');
  assert.notEqual(before.readBigUInt64BE(0), after.readBigUInt64BE(0));
  await again.close();
});

test('a cluster in a worker is the same', async () => {
  const cluster = await startCluster({ worker: true, nodes: 2, record: true });
  const client = await ClusterClient.join(nodeAt(cluster, 0));
  const key = keyOn(client, await cluster.configuration('default'), 0);
  await client.put(key, 'x');
  assert.equal((await cluster.document(key))?.value.toString(), 'x');
  assert.equal((await nodeAt(cluster, 0).commands()).at(-1)?.key.toString(), `\0${key}`);
  await client.close();
  await cluster.close();
});

test('options that say nothing are refused by their names', async () => {
  for (const [options, argument] of [
    [{ nodes: 0 }, 'nodes'],
    [{ node: 2 }, 'node'],
    [{ buckets: [{ name: '' }] }, 'buckets[0].name'],
    [{ vbuckets: 5000 }, 'vbuckets'],
  ] as const)
    await assert.rejects(startCluster(options as ClusterOptions), (error: Error) =>
      error.message.includes(argument),
    );
});
