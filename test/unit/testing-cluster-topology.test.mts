import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { compressed, uncompressed } from '../../lib/testing/cluster/snappy.ts';
import {
  type ClusterOptions,
  Feature,
  ClusterOpcode as Op,
  ClusterStatus as Status,
  startCluster,
  type TestCluster,
  type TestNode,
} from '../../lib/testing/index.ts';
import { AUTHORITY, SERVER, SERVER_KEY } from '../certificates.mts';
import { ClusterClient } from './cluster-client.mts';

function nodeAt(cluster: TestCluster, number: number): TestNode {
  const node = cluster.nodes[number];
  assert.ok(node);
  return node;
}

async function mapOf(cluster: TestCluster, node = 0): Promise<number[][]> {
  return JSON.parse(await cluster.configuration('default', node)).vBucketServerMap.vBucketMap;
}

test('a configuration tells names, groups and networks of the nodes, and which of them is asked', async () => {
  const options: ClusterOptions = {
    nodes: 2,
    hostnames: ['one.invalid', '::1'],
    serverGroups: ['a', 'b'],
    alternateAddresses: { external: ['127.0.0.1', '127.0.0.1'] },
    buckets: [{ name: 'orders', vbuckets: 2, capabilities: ['xattr'] }],
  };
  await using cluster = await startCluster(options);
  const ports = cluster.nodes.map(({ port }) => port);
  const configuration = JSON.parse(await cluster.configuration('orders', 1));
  assert.deepEqual(configuration.vBucketServerMap.serverList, [
    `one.invalid:${ports[0]}`,
    `[::1]:${ports[1]}`,
  ]);
  assert.deepEqual(configuration.vBucketServerMap.vBucketMap, [
    [0, 1],
    [1, 0],
  ]);
  assert.deepEqual(configuration.bucketCapabilities, ['xattr']);
  assert.deepEqual(configuration.nodesExt[1], {
    services: { kv: ports[1] },
    thisNode: true,
    hostname: '::1',
    serverGroup: 'b',
    alternateAddresses: { external: { hostname: '127.0.0.1', ports: { kv: ports[1] } } },
  });
  assert.equal(JSON.parse(await cluster.configuration()).vBucketServerMap, undefined);
});

test('after the death of a node its replicas serve what they have, on a new branch of the history', async () => {
  await using cluster = await startCluster({ nodes: 3, replicas: 1, vbuckets: 3 });
  const clients = await Promise.all(cluster.nodes.map((node) => ClusterClient.join(node, { vbuckets: 3 })));
  const [first] = clients;
  assert.ok(first);
  const before = await first.put('k', 'x', { vbucket: 0 });
  await nodeAt(cluster, 0).kill();
  await cluster.failover(nodeAt(cluster, 0));
  assert.deepEqual((await mapOf(cluster, 1))[0], [0, -1]);
  const after = await clients[1]?.put('k', 'y', { vbucket: 0 });
  assert.notEqual(after?.extras.readBigUInt64BE(0), before.extras.readBigUInt64BE(0));
  assert.equal(after?.extras.readBigUInt64BE(8), 2n);
  await nodeAt(cluster, 0).respawn();
  await cluster.rebalance({ back: [nodeAt(cluster, 0)] });
  assert.deepEqual((await mapOf(cluster)).map(([active]) => active).sort(), [0, 1, 2]);
  for (const client of clients) await client.close();
});

test('after the death of a process replicas have the history of their active copies', async () => {
  await using cluster = await startCluster({ nodes: 2, vbuckets: 2 });
  const replica = await ClusterClient.join(nodeAt(cluster, 1), { vbuckets: 2 });
  await cluster.hold('persistence');
  const client = await ClusterClient.join(nodeAt(cluster, 0), { vbuckets: 2 });
  await client.put('k', 'x', { vbucket: 0 });
  await client.close();
  await nodeAt(cluster, 0).respawn();
  const again = await ClusterClient.join(nodeAt(cluster, 0), { vbuckets: 2 });
  const { value: log } = await again.ask({ opcode: Op.getFailoverLog, vbucket: 0 });
  for (const each of [again, replica]) {
    const observe = { opcode: Op.observeSeqno, vbucket: 0, value: log.subarray(0, 8) };
    const { value } = await each.ask(observe);
    assert.deepEqual([value[0], value.readBigUInt64BE(19)], [0, 0n]);
  }
  for (const each of [again, replica]) await each.close();
});

test('vbuckets that have lost all copies are empty after the next rebalance', async () => {
  await using cluster = await startCluster({ nodes: 2, replicas: 0, vbuckets: 2 });
  const client = await ClusterClient.join(nodeAt(cluster, 0), { vbuckets: 2 });
  await client.put('k', 'x', { vbucket: 0 });
  await cluster.failover(nodeAt(cluster, 0));
  await client.closed();
  assert.deepEqual(await mapOf(cluster, 1), [[-1], [0]]);
  await cluster.rebalance({ back: [nodeAt(cluster, 0)], order: 'new first' });
  assert.ok((await mapOf(cluster)).every(([active]) => active !== -1));
  const other = await ClusterClient.join(nodeAt(cluster, 1), { vbuckets: 2 });
  assert.equal((await other.ask({ opcode: Op.get, key: 'k', vbucket: 0 })).word, Status.keyNotFound);
  await other.close();
});

test('a node that is no member any more has no bucket and hears of nothing new', async () => {
  await using cluster = await startCluster({ nodes: 3, replicas: 1, vbuckets: 3 });
  const [failed, removed] = [nodeAt(cluster, 0), nodeAt(cluster, 1)];
  for (const [leaver, leave] of [
    [failed, () => cluster.failover(failed)],
    [removed, () => cluster.rebalance({ remove: [removed] })],
  ] as const) {
    const client = await ClusterClient.join(leaver, { vbuckets: 3 });
    const before = await cluster.configuration('default', leaver.number);
    await leave();
    if (leaver === failed) await client.closed();
    else assert.equal((await client.get('k')).word, Status.notMyVbucket);
    await client.close();
    await assert.rejects(ClusterClient.join(leaver), /SELECT_BUCKET/);
    const told = JSON.parse(await cluster.configuration('default', leaver.number));
    const truth = JSON.parse(await cluster.configuration('default', 2));
    assert.ok(told.rev >= JSON.parse(before).rev && told.rev < truth.rev);
    assert.ok(told.nodesExt.length > truth.nodesExt.length);
    const stranger = await ClusterClient.join(leaver, { bucket: null });
    const { value } = await stranger.ask({ opcode: Op.getClusterConfig });
    assert.equal(JSON.parse(value.toString()).rev, told.rev);
    await stranger.close();
  }
  await cluster.rebalance({ back: [failed, removed] });
  const rev = async (node: number) => JSON.parse(await cluster.configuration('default', node)).rev;
  assert.equal(await rev(0), await rev(2));
  await (await ClusterClient.join(failed, { vbuckets: 3 })).close();
});

test('buckets come and go; who has selected one that goes is disconnected', async () => {
  await using cluster = await startCluster();
  await cluster.createBucket({ name: 'second', vbuckets: 4 });
  const client = await ClusterClient.join(nodeAt(cluster, 0), { bucket: 'second', vbuckets: 4 });
  await client.put('k', 'x');
  await cluster.dropBucket('second');
  await client.closed();
  await assert.rejects(ClusterClient.join(nodeAt(cluster, 0), { bucket: 'second' }), /SELECT_BUCKET/);
});

test('a node listens with TLS beside its plain port', async () => {
  await using cluster = await startCluster({ tls: { cert: SERVER, key: SERVER_KEY } });
  const { host, securePort = 0 } = nodeAt(cluster, 0);
  assert.equal(cluster.url, `couchbases://${host}:${securePort}/default`);
  const socket = connect({ host, port: securePort, ca: AUTHORITY });
  const noop = Buffer.alloc(24);
  noop.set([0x80, Op.noop]);
  socket.write(noop);
  const answer: Buffer = await new Promise((resolve, reject) =>
    socket.once('data', resolve).once('error', reject),
  );
  assert.deepEqual([...answer.subarray(0, 2)], [0x81, Op.noop]);
  socket.destroy();
  const plain = await ClusterClient.join(nodeAt(cluster, 0));
  assert.equal(JSON.parse(await cluster.configuration('default')).nodesExt[0].services.kvSSL, securePort);
  await plain.close();
});

test('values are compressed both ways where that was agreed to', async () => {
  await using cluster = await startCluster();
  const node = nodeAt(cluster, 0);
  const client = await ClusterClient.join(node, { features: [Feature.snappy, Feature.json] });
  const plain = await ClusterClient.join(node, { features: [Feature.json] });
  const value = JSON.stringify(Array.from({ length: 100 }, (_, index) => `item ${index % 7}`));
  await client.put('k', compressed(Buffer.from(value)), { datatype: 3 });
  assert.equal((await cluster.document('k'))?.value.toString(), value);
  const read = await client.get('k');
  assert.equal(read.datatype, 3);
  assert.equal(uncompressed(read.value)?.toString(), value);
  const whole = await plain.get('k');
  assert.deepEqual([whole.datatype, whole.value.toString()], [1, value]);
  assert.equal((await client.set('k', 'no block', { datatype: 2 })).word, Status.invalidArguments);
  await client.close();
  await plain.close();
});

test('blocks of Snappy are read whatever their elements, and refused where they are none', () => {
  for (const text of ['', 'a', 'abcd'.repeat(50), 'x'.repeat(100_000), 'no repetition at all!'])
    assert.equal(uncompressed(compressed(Buffer.from(text)))?.toString(), text);
  // A literal, a copy of one byte of offset that overlaps itself, one of four.
  const block = Buffer.from([14, 0x08, 0x61, 0x62, 0x63, 0x01 | (3 << 2), 3, 0x03 | (3 << 2), 10, 0, 0, 0]);
  assert.equal(uncompressed(block)?.toString(), 'abcabcabcaabca');
  for (const bad of [[5, 0x00, 0x61], [4, 0x01, 9], [255, 255, 255, 255, 15, 0], []])
    assert.equal(uncompressed(Buffer.from(bad)), undefined);
});

test('a node that hiccups answers late, and everything', async () => {
  await using cluster = await startCluster();
  const client = await ClusterClient.join(nodeAt(cluster, 0));
  const over = nodeAt(cluster, 0).hiccup(30);
  const answers = Promise.all([client.set('a', '1'), client.get('a')]);
  await over;
  assert.deepEqual(
    (await answers).map(({ word }) => word),
    [0, 0],
  );
  await client.close();
});

test('requests that contradict themselves are refused, and the connection goes on', async () => {
  await using cluster = await startCluster();
  const client = await ClusterClient.join(nodeAt(cluster, 0));
  for (const [request, status] of [
    [{ opcode: Op.get, key: '' }, Status.invalidArguments],
    [{ opcode: Op.set, key: 'k', value: 'x' }, Status.invalidArguments],
    [{ opcode: Op.set, key: 'k', framing: Buffer.from([0x90]) }, Status.unknownFrameInfo],
    [{ opcode: Op.set, key: 'k', framing: Buffer.from([0x13, 1]) }, Status.invalidArguments],
    [{ opcode: Op.observeSeqno, value: 'x' }, Status.invalidArguments],
    [{ opcode: Op.rangeScanCreate, value: '{"range":1}' }, Status.invalidArguments],
    [{ opcode: Op.subdocMultiLookup, key: 'k', value: '\x01' }, Status.invalidArguments],
    [{ opcode: Op.dcpStreamRequest }, Status.invalidArguments],
    [{ opcode: 0x3f }, Status.unknownCommand],
  ] as const)
    assert.equal((await client.ask(request)).word, status, JSON.stringify(request));
  await client.put('k', 'x');
  await client.close();
});
