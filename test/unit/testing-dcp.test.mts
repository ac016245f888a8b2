import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Resumption, rollbackOf } from '../../lib/testing/cluster/dcp/rollback.ts';
import {
  type ClusterOptions,
  Feature,
  ClusterOpcode as Op,
  ClusterStatus as Status,
  startCluster,
  type TestCluster,
} from '../../lib/testing/index.ts';
import { ClusterClient, type ClusterPacket, type ClusterRequest, storeExtras } from './cluster-client.mts';

const FOREVER = 2n ** 64n - 1n;
const PARTITION = 5;

test('who may go on, and where the others begin again', () => {
  // The history was that of 1n up to 50, that of 2n up to 80, and is that of 3n, of which there are 100.
  const history = {
    failoverLog: [
      { uuid: 3n, seqno: 80n },
      { uuid: 2n, seqno: 50n },
      { uuid: 1n, seqno: 0n },
    ],
    high: 100n,
    purged: 10n,
  };
  const cases: [Partial<Resumption>, bigint | undefined][] = [
    [{ start: 0n, uuid: 0n }, undefined],
    [{ start: 0n, uuid: 9n }, undefined],
    [{ start: 0n, uuid: 9n, isStrict: true }, 0n],
    [{ start: 20n, uuid: 9n }, 0n],
    [{ start: 90n, uuid: 3n }, undefined],
    [{ start: 45n, uuid: 1n }, undefined],
    [{ start: 60n, uuid: 1n }, 50n],
    [{ start: 70n, uuid: 2n, snapshotStart: 60n, snapshotEnd: 90n }, 60n],
    [{ start: 60n, uuid: 2n, snapshotStart: 60n, snapshotEnd: 90n }, undefined],
    [{ start: 95n, uuid: 3n, snapshotStart: 90n, snapshotEnd: 110n }, 90n],
    [{ start: 110n, uuid: 3n, snapshotStart: 90n, snapshotEnd: 110n }, 100n],
    [{ start: 5n, uuid: 1n }, 0n],
    [{ start: 5n, uuid: 1n, ignoresPurges: true }, undefined],
  ];
  for (const [given, expected] of cases) {
    const start = given.start ?? 0n;
    const resumption = {
      start,
      uuid: 0n,
      snapshotStart: start,
      snapshotEnd: start,
      ignoresPurges: false,
      isStrict: false,
      ...given,
    };
    const shown = `${start} of ${resumption.uuid} in ${resumption.snapshotStart} to ${resumption.snapshotEnd}`;
    assert.equal(rollbackOf(resumption, history), expected, shown);
  }
});

interface Asking {
  partition?: number;
  flags?: number;
  start?: bigint;
  end?: bigint;
  uuid?: bigint;
  snapshot?: [bigint, bigint];
  filter?: object;
  opaque?: number;
}

function streamRequest({ partition = PARTITION, ...asking }: Asking): ClusterRequest {
  const { flags = 0, start = 0n, end = FOREVER, uuid = 0n, snapshot = [start, start], filter } = asking;
  const extras = Buffer.alloc(48);
  extras.writeUInt32BE(flags, 0);
  for (const [index, value] of [start, end, uuid, ...snapshot].entries())
    extras.writeBigUInt64BE(value, 8 + 8 * index);
  const value = filter === undefined ? '' : JSON.stringify(filter);
  return { opcode: Op.dcpStreamRequest, vbucket: partition, extras, value, opaque: asking.opaque ?? 0x5757 };
}

interface Opening {
  cluster?: ClusterOptions;
  flags?: number;
  controls?: Record<string, string>;
}

/** A cluster with a client that writes and one that has opened a producer. */
async function started({ cluster: options = {}, flags = 1, controls = {} }: Opening = {}) {
  const cluster = await startCluster(options);
  const [node] = cluster.nodes;
  assert.ok(node);
  const writer = await ClusterClient.join(node);
  const consumer = await opened(cluster, 0, flags, controls);
  const put = (key: string, value = key, more: Partial<ClusterRequest> = {}) =>
    writer.put(key, value, { vbucket: PARTITION, ...more });
  return {
    cluster,
    writer,
    consumer,
    put,
    async [Symbol.asyncDispose]() {
      await writer.close();
      await consumer.close();
      await cluster.close();
    },
  };
}

async function opened(
  cluster: TestCluster,
  number: number,
  flags = 1,
  controls: Record<string, string> = {},
  name = 'a test',
): Promise<ClusterClient> {
  const node = cluster.nodes[number];
  assert.ok(node);
  const features = [Feature.xerror, Feature.json, Feature.collections, Feature.xattr, Feature.altRequest];
  const consumer = await ClusterClient.join(node, { features });
  const extras = Buffer.alloc(8);
  extras.writeUInt32BE(flags, 4);
  const open = await consumer.ask({ opcode: Op.dcpOpen, key: name, extras });
  assert.equal(open.word, Status.success);
  for (const [key, value] of Object.entries(controls))
    assert.equal((await consumer.ask({ opcode: Op.dcpControl, key, value })).word, Status.success, key);
  return consumer;
}

/** The history that a stream goes on with, newest first. */
function logOf(answer: ClusterPacket): [bigint, bigint][] {
  const entries: [bigint, bigint][] = [];
  for (let at = 0; at < answer.value.length; at += 16)
    entries.push([answer.value.readBigUInt64BE(at), answer.value.readBigUInt64BE(at + 8)]);
  return entries;
}

/** A message in short. */
function told({ opcode, extras, key, value }: ClusterPacket): string {
  switch (opcode) {
    case Op.dcpSnapshotMarker: {
      const flags = extras.length === 20 ? extras.readUInt32BE(16) : value.readUInt32BE(16);
      const numbers = extras.length === 20 ? extras : value;
      return `marker ${numbers.readBigUInt64BE(0)}-${numbers.readBigUInt64BE(8)} flags ${flags}`;
    }
    case Op.dcpMutation:
      return `mutation ${extras.readBigUInt64BE(0)} ${key.toString('latin1').slice(1)}=${value}`;
    case Op.dcpDeletion:
      return `deletion ${extras.readBigUInt64BE(0)} ${key.toString('latin1').slice(1)} (${extras.length})`;
    case Op.dcpExpiration:
      return `expiration ${extras.readBigUInt64BE(0)} ${key.toString('latin1').slice(1)}`;
    case Op.dcpSystemEvent:
      return `event ${extras.readBigUInt64BE(0)} ${extras.readUInt32BE(8)} ${key}`;
    case Op.dcpStreamEnd:
      return `end ${extras.readUInt32BE(0)}`;
    case Op.dcpSeqnoAdvanced:
      return `advanced ${extras.readBigUInt64BE(0)}`;
    case Op.dcpOsoSnapshot:
      return `oso ${extras.readUInt32BE(0)}`;
    case Op.dcpNoop:
      return 'noop';
    default:
      return `0x${opcode.toString(16)}`;
  }
}

async function tellings(consumer: ClusterClient, count: number): Promise<string[]> {
  const messages: string[] = [];
  while (messages.length < count) messages.push(told(await consumer.next()));
  return messages;
}

test('a stream begins with what there was and goes on with what happens', async () => {
  await using ready = await started();
  const { consumer, put, writer } = ready;
  await put('a', '1');
  await put('b', '2');
  await put('a', '3');
  const answer = await consumer.ask(streamRequest({}));
  assert.equal(answer.word, Status.success);
  assert.equal(logOf(answer).length, 1);
  assert.deepEqual(await tellings(consumer, 3), ['marker 0-3 flags 6', 'mutation 2 b=2', 'mutation 3 a=3']);
  await put('c', '4');
  assert.deepEqual(await tellings(consumer, 2), ['marker 4-4 flags 5', 'mutation 4 c=4']);
  await writer.ask({ opcode: Op.delete, key: 'a', vbucket: PARTITION });
  assert.deepEqual(await tellings(consumer, 2), ['marker 5-5 flags 1', 'deletion 5 a (18)']);
});

test('expirations, deletions with their time, xattrs and newer markers come where they are asked for', async () => {
  const controls = { enable_expiry_opcode: 'true', max_marker_version: '2.2' };
  await using ready = await started({ flags: 1 | 4, controls });
  const { cluster, consumer, put, writer } = ready;
  await put('x', '1', { extras: storeExtras(0, 5) });
  await put('d', '1');
  await writer.ask({ opcode: Op.delete, key: 'd', vbucket: PARTITION });
  await cluster.timeTravel(6);
  const xattr = Buffer.from([0xc8, 0x04, 0, 1, 0, 0, 0, 1, 0x6d, 0x37]);
  await put('m', '{}');
  await writer.ask({ opcode: Op.subdocMultiMutation, key: 'm', vbucket: PARTITION, value: xattr });
  await consumer.ask(streamRequest({}));
  assert.deepEqual(await tellings(consumer, 3), [
    'marker 0-6 flags 6',
    'deletion 3 d (21)',
    'expiration 4 x',
  ]);
  const { datatype, value } = await consumer.next();
  assert.equal(datatype, 5);
  assert.deepEqual(value.subarray(0, 12), Buffer.from('\0\0\0\x08\0\0\0\x04m\x007\0', 'latin1'));
  assert.equal(value.subarray(12).toString(), '{}');
});

test('a stream of collections hears of their beginning and end, and of how far the others have come', async () => {
  await using ready = await started({ cluster: { vbuckets: 8 } });
  const { cluster, consumer, put, writer } = ready;
  await cluster.createCollection('shop', 'orders');
  const found = await writer.ask({ opcode: Op.collectionsGetId, value: 'shop.orders' });
  const collection = found.extras.readUInt32BE(8);
  const filter = { collections: [collection.toString(16)] };
  await put('elsewhere');
  assert.equal(
    (await consumer.ask(streamRequest({ filter: { collections: ['77'] } }))).word,
    Status.unknownCollection,
  );
  assert.equal((await consumer.ask(streamRequest({ filter }))).word, Status.success);
  assert.deepEqual(await tellings(consumer, 3), ['marker 0-3 flags 6', 'event 2 0 orders', 'advanced 3']);
  await put('here', 'x', { collection });
  assert.deepEqual(await tellings(consumer, 2), ['marker 4-4 flags 5', 'mutation 4 here=x']);
  await cluster.dropCollection('shop', 'orders');
  assert.deepEqual(await tellings(consumer, 3), ['marker 5-5 flags 1', 'event 5 1 ', 'end 7']);
});

test('out of order: between their edges, and then how far it went', async () => {
  await using ready = await started({
    cluster: { collections: { s: ['c'] } },
    controls: { enable_out_of_order_snapshots: 'true_with_seqno_advanced' },
  });
  const { consumer, put } = ready;
  await put('b', '1', { collection: 9 });
  await put('a', '2', { collection: 9 });
  await put('other');
  await consumer.ask(streamRequest({ filter: { collections: ['9'] } }));
  assert.deepEqual(await tellings(consumer, 6), [
    'oso 1',
    'event 2 0 c',
    'mutation 4 a=2',
    'mutation 3 b=1',
    'oso 2',
    'advanced 5',
  ]);
});

test('nothing is sent above the size of the buffer until it is acknowledged', async () => {
  await using ready = await started({ controls: { connection_buffer_size: '100' } });
  const { consumer, put } = ready;
  for (const key of ['a', 'b', 'c']) await put(key, 'x'.repeat(100));
  await consumer.ask(streamRequest({}));
  const [marker, first] = [await consumer.next(), await consumer.next()];
  assert.deepEqual(
    [marker, first].map(told).map((text) => text.slice(0, 10)),
    ['marker 0-3', 'mutation 1'],
  );
  // Answered behind all that is sent by then.
  await consumer.ask({ opcode: Op.noop });
  assert.equal(consumer.unasked, 0);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(24 + 20 + 24 + 31 + first.key.length + 100);
  consumer.send({ opcode: Op.dcpBufferAck, extras: bytes });
  assert.match(told(await consumer.next()), /^mutation 2 b/);
});

test('a snapshot is as long as a test says, and may stay without what is in it', async () => {
  await using ready = await started();
  const { cluster, consumer, put } = ready;
  await cluster.cutSnapshots(2);
  await cluster.hold('changes');
  await consumer.ask(streamRequest({}));
  await put('a');
  assert.deepEqual(await tellings(consumer, 1), ['marker 0-1 flags 5']);
  for (const key of ['b', 'c', 'd']) await put(key);
  assert.equal(consumer.unasked, 0);
  await cluster.release('changes');
  assert.deepEqual(await tellings(consumer, 6), [
    'mutation 1 a=a',
    'marker 2-3 flags 1',
    'mutation 2 b=b',
    'mutation 3 c=c',
    'marker 4-4 flags 1',
    'mutation 4 d=d',
  ]);
});

test('after a failover who has seen what is lost goes back', async () => {
  await using ready = await started({ cluster: { nodes: 2, vbuckets: 2 } });
  const { cluster, writer } = ready;
  const put = (key: string) => writer.put(key, key, { vbucket: 0 });
  await put('kept');
  await cluster.hold('replication');
  await put('lost');
  const answer = await ready.consumer.ask(streamRequest({ partition: 0 }));
  const [[uuid = 0n] = []] = logOf(answer);
  assert.deepEqual(await tellings(ready.consumer, 3), [
    'marker 0-2 flags 6',
    'mutation 1 kept=kept',
    'mutation 2 lost=lost',
  ]);
  const [failed] = cluster.nodes;
  assert.ok(failed);
  await cluster.failover(failed);
  assert.deepEqual(await tellings(ready.consumer, 1), ['end 2']);
  const other = await opened(cluster, 1);
  const resumed = await other.ask(streamRequest({ partition: 0, start: 2n, uuid, snapshot: [0n, 2n] }));
  assert.deepEqual([resumed.word, resumed.value.readBigUInt64BE(0)], [Status.rollback, 1n]);
  const again = await other.ask(streamRequest({ partition: 0, start: 1n, uuid }));
  assert.equal(again.word, Status.success);
  const log = logOf(again);
  assert.deepEqual([log.length, log[0]?.[1], log[1]?.[0]], [2, 1n, uuid]);
  await other.close();
});

test('a rebalance ends the streams of a partition that moves, and they go on at its new node', async () => {
  await using ready = await started({ cluster: { nodes: 1, replicas: 0, vbuckets: 2 } });
  const { cluster, writer, consumer } = ready;
  await writer.put('a', 'a', { vbucket: 1 });
  const log = logOf(await consumer.ask(streamRequest({ partition: 1 })));
  assert.deepEqual(await tellings(consumer, 2), ['marker 0-1 flags 6', 'mutation 1 a=a']);
  await cluster.rebalance({ add: 1 });
  assert.deepEqual(await tellings(consumer, 1), ['end 2']);
  assert.equal((await consumer.ask(streamRequest({ partition: 1 }))).word, Status.notMyVbucket);
  const other = await opened(cluster, 1);
  const resumed = await other.ask(streamRequest({ partition: 1, start: 1n, uuid: log[0]?.[0] ?? 0n }));
  assert.deepEqual(logOf(resumed), log);
  const second = await ClusterClient.join(cluster.nodes[1] ?? assert.fail());
  await second.put('b', 'b', { vbucket: 1 });
  assert.deepEqual(await tellings(other, 2), ['marker 1-2 flags 5', 'mutation 2 b=b']);
  await second.close();
  await other.close();
});

test('forgotten deletions send everybody back who may not have seen them', async () => {
  await using ready = await started();
  const { cluster, consumer, put, writer } = ready;
  for (const key of ['a', 'b']) await put(key);
  await writer.ask({ opcode: Op.delete, key: 'a', vbucket: PARTITION });
  await put('c');
  await cluster.purge();
  const log = logOf(await writer.ask({ opcode: Op.getFailoverLog, vbucket: PARTITION }));
  const uuid = log[0]?.[0] ?? 0n;
  const behind = await consumer.ask(streamRequest({ start: 1n, uuid }));
  assert.deepEqual([behind.word, behind.value.readBigUInt64BE(0)], [Status.rollback, 0n]);
  assert.equal((await consumer.ask(streamRequest({ start: 3n, uuid }))).word, Status.success);
});

test('streams end by request, at their end, or for whatever reason a test gives', async () => {
  await using ready = await started({ controls: { send_stream_end_on_client_close_stream: 'true' } });
  const { cluster, consumer, put } = ready;
  await put('a');
  await put('b');
  await consumer.ask(streamRequest({ end: 1n }));
  assert.deepEqual(await tellings(consumer, 3), ['marker 0-1 flags 6', 'mutation 1 a=a', 'end 0']);
  assert.equal((await consumer.ask(streamRequest({ start: 2n, end: 1n }))).word, Status.rangeError);
  const open = streamRequest({
    start: 2n,
    uuid: logOf(await consumer.ask({ opcode: Op.dcpGetFailoverLog, vbucket: PARTITION }))[0]?.[0] ?? 0n,
  });
  await consumer.ask(open);
  assert.equal((await consumer.ask({ ...open, opaque: 3 })).word, Status.keyExists);
  assert.equal((await consumer.ask({ opcode: Op.dcpCloseStream, vbucket: PARTITION })).word, Status.success);
  assert.deepEqual(await tellings(consumer, 1), ['end 1']);
  for (const [reason, number] of [
    ['tooSlow', 4],
    ['lostPrivileges', 8],
  ] as const) {
    await consumer.ask(open);
    await cluster.endStreams(reason, { partition: PARTITION });
    assert.deepEqual(await tellings(consumer, 1), [`end ${number}`]);
  }
});

test('no-ops are sent and their answers counted; of two producers with one name the older one is ended', async () => {
  await using ready = await started();
  const { cluster, consumer } = ready;
  await cluster.sendNoops();
  const { opcode, opaque, magic } = await consumer.next();
  assert.deepEqual([opcode, magic], [Op.dcpNoop, 0x80]);
  consumer.send({ opcode: Op.dcpNoop, magic: 0x81, opaque });
  await consumer.ask({ opcode: Op.noop });
  assert.equal(await cluster.answeredNoops(), 1);
  const successor = await opened(cluster, 0);
  await consumer.closed();
  assert.equal(
    (await successor.ask({ opcode: Op.dcpControl, key: 'none', value: '1' })).word,
    Status.invalidArguments,
  );
  await successor.close();
});

test('stream ids: several streams of a partition, each message with its own', async () => {
  await using ready = await started({ controls: { enable_stream_id: 'true' } });
  const { consumer, put } = ready;
  assert.equal((await consumer.ask(streamRequest({}))).word, Status.dcpStreamIdInvalid);
  await put('a');
  for (const sid of [1, 2]) await consumer.ask(streamRequest({ filter: { sid }, opaque: 100 + sid }));
  const seen = new Map<number, string[]>();
  while ([...seen.values()].flat().length < 4) {
    const message = await consumer.next();
    const sid = message.framing.readUInt16BE(1);
    assert.deepEqual([message.magic, message.opaque], [0x08, 100 + sid]);
    seen.set(sid, [...(seen.get(sid) ?? []), told(message)]);
  }
  assert.deepEqual(seen.get(1), seen.get(2));
});
