import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import {
  AuthenticationError,
  ClosedError,
  ConnectionError,
  connect,
  EventBase,
  UnsupportedError,
} from '../../lib/index.ts';
import { Feature, startCluster } from '../../lib/testing/index.ts';
import { AUTHORITY, SERVER, SERVER_KEY } from '../certificates.mts';
import { join, KEYS, LOGIN, nodeAt, started } from './couchbase-clusters.mts';

describe('a login', () => {
  for (const mechanism of ['SCRAM-SHA512', 'SCRAM-SHA256', 'SCRAM-SHA1'] as const)
    test(`by ${mechanism} proves both sides`, async () => {
      await using ready = await started({ nodes: 1 }, { mechanism });
      await ready.db.upsert('k', 1);
      assert.equal(await ready.db.get('k'), 1);
      await assert.rejects(join(ready.cluster, { mechanism, password: 'wrong' }), AuthenticationError);
    });

  test('takes the best that the server offers', async () => {
    await using ready = await started({ nodes: 1, mechanisms: ['SCRAM-SHA1', 'PLAIN'] });
    await ready.db.upsert('k', 1);
    const cluster = await startCluster({ nodes: 1, mechanisms: ['PLAIN'] });
    await assert.rejects(
      join(cluster),
      (error) => error instanceof AuthenticationError && /PLAIN requires TLS/.test(error.message),
    );
    await cluster.close();
  });
});

test('over TLS the password is said in plain text to who has proven who it is', async () => {
  const tls = { cert: SERVER, key: SERVER_KEY };
  await using ready = await started({ tls, mechanisms: ['PLAIN'] }, { tls: { ca: AUTHORITY } });
  assert.match(ready.cluster.url, /^couchbases:/);
  await Promise.all(KEYS.map((key) => ready.db.upsert(key, 1)));
  assert.equal((await ready.db.getMany(KEYS)).size, KEYS.length);
  await assert.rejects(join(ready.cluster, { connectTimeout: 500 }), ConnectionError);
});

test('the option tls chooses the port of TLS, as couchbases: does', {
  skip: process.platform !== 'linux' && 'needs more than one loopback address',
}, async () => {
  const host = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  const server = createServer().listen(11207, host);
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const eventBase = EventBase.create();
  const joining = connect(`couchbase://${host}/default`, { ...LOGIN, eventBase, tls: { ca: AUTHORITY } });
  joining.catch(() => {});
  const [socket] = await accepted;
  const [hello] = (await once(socket, 'data')) as [Buffer];
  assert.equal(hello[0], 0x16); // a handshake record of TLS
  await eventBase.close();
  await assert.rejects(joining, ClosedError);
  socket.destroy();
  server.close();
});

test('a server that does not grant what requests need is not connected to', async () => {
  const cluster = await startCluster({ nodes: 1, withoutFeatures: [Feature.collections] });
  await assert.rejects(join(cluster, { connectTimeout: 500 }), /does not grant what the protocol needs/);
  await cluster.close();
});

test('keys go to the servers of their partitions', async () => {
  await using ready = await started();
  const { db, cluster } = ready;
  await Promise.all(KEYS.map((key) => db.upsert(key, key)));
  const values = await db.getMany(KEYS);
  assert.deepEqual(
    KEYS.map((key) => values.get(key)),
    KEYS,
  );
  const { nodes } = db.stats();
  assert.equal(nodes.length, 3);
  assert.ok(nodes.every(({ bytesSent, retries, errors }) => bytesSent > 0 && retries === 0 && errors === 0));
  assert.equal((await cluster.document('key-7'))?.value.toString(), 'key-7');
});

test('operations of a collection that some servers do not know yet wait for them', async () => {
  await using ready = await started();
  const { db, cluster } = ready;
  // The id is asked of the first server, which knows it, where that is connected.
  while (db.topology.nodes.some(({ state }) => state !== 'connected')) await setTimeout(5);
  await cluster.hold('manifest');
  await cluster.createCollection('shop', 'late');
  const late = db.scope('shop').collection('late');
  let isOver = false;
  const writes = Promise.all(KEYS.map((key) => late.upsert(key, key))).finally(() => {
    isOver = true;
  });
  writes.catch(() => {});
  const retried = () => db.stats().nodes.filter(({ retries }) => retries > 0).length;
  while (!isOver && retried() < 2) await setTimeout(5);
  assert.ok(!isOver);
  await cluster.release('manifest');
  await writes;
  assert.equal((await late.getMany(KEYS)).size, KEYS.length);
});

test('an operation of servers that this engine does not have names the server and the engine', async () => {
  await using ready = await started();
  for (const { host, port } of ready.cluster.nodes) {
    const server = `${host}:${port}`;
    assert.throws(
      () => ready.db.flushAll({ server }),
      (error) =>
        error instanceof UnsupportedError &&
        error.context.node === server &&
        error.message.startsWith('flushAll: the couchbase engine has no such operation') &&
        error.message.includes(server),
    );
  }
});

test('each event base has connections of its own', async () => {
  await using ready = await started();
  await using base = EventBase.create();
  const view = ready.db.via(base);
  await Promise.all(KEYS.map((key) => view.upsert(key, 1)));
  assert.equal((await ready.db.getMany(KEYS)).size, KEYS.length);
});

describe('copies', () => {
  test('can be read where they are', async () => {
    await using ready = await started({ replicas: 2, serverGroups: ['a', 'b', 'c'] });
    const items = ready.db.collection('_default');
    await items.upsert('k', 'v', { durability: 'majority' });
    const any = await items.getAnyReplica('k');
    assert.equal(any?.value, 'v');
    assert.equal(await items.getAnyReplica('nobody'), undefined);
    const { records, errors } = await items.getAllReplicas('k');
    assert.deepEqual(errors, []);
    assert.equal(records.filter(({ isReplica }) => !isReplica).length, 1);
    for (const serverGroup of ['a', 'b', 'c'])
      assert.equal((await items.getAnyReplica('k', { serverGroup }))?.value, 'v');
    const [staged] = await ready.db.schedule((context) => [
      context.collection('_default').getAllReplicas('k'),
    ]);
    assert.ok(staged.records.length > 0);
  });
});

describe('while partitions move', () => {
  for (const order of ['old first', 'new first'] as const)
    test(`no write is lost and none is made twice (${order})`, async () => {
      await using ready = await started({}, { pollInterval: 50 });
      const { db, cluster } = ready;
      let isOver = false;
      const counts = new Map<string, bigint>();
      const load = async (key: string): Promise<void> => {
        for (let count = 0n; !isOver; ) {
          const value = await db.increment(key, { initial: 1n });
          count += 1n;
          assert.equal(value, count);
          counts.set(key, count);
          await setImmediate();
        }
      };
      const loads = KEYS.slice(0, 40).map(load);
      await cluster.rebalance({ add: 1, order });
      await cluster.rebalance({ remove: [nodeAt(cluster, 0)], order });
      isOver = true;
      await Promise.all(loads);
      for (const [key, count] of counts) assert.equal(await db.get(key), Number(count));
      while (db.topology.nodes.length !== 3) await setTimeout(5);
    });

  test('a context that is open meanwhile routes when it leaves', async () => {
    await using ready = await started();
    const { db, cluster } = ready;
    const context = db.enter();
    const staged = KEYS.map((key) => context.upsert(key, key));
    await cluster.rebalance({ add: 1, remove: [nodeAt(cluster, 1)] });
    context.leave();
    await Promise.all(staged);
    assert.equal((await db.getMany(KEYS)).size, KEYS.length);
  });
});

test('what servers tell by themselves is enough to follow them', async () => {
  await using ready = await started({}, { pollInterval: Number.POSITIVE_INFINITY });
  const { db, cluster } = ready;
  await cluster.rebalance({ add: 1 });
  const nodes = (): number => db.topology.nodes.length;
  while (nodes() !== 4) await setTimeout(5);
  await cluster.rebalance({ remove: [nodeAt(cluster, 0)] });
  while (nodes() !== 3) await setTimeout(5);
});

test('after a failover the replicas answer', async () => {
  await using ready = await started();
  const { db, cluster } = ready;
  const items = db.collection('_default');
  await Promise.all(KEYS.map((key) => items.upsert(key, key, { durability: 'majority' })));
  await cluster.failover(nodeAt(cluster, 2));
  const values = await db.getMany(KEYS);
  assert.deepEqual(
    KEYS.map((key) => values.get(key)),
    KEYS,
  );
  await Promise.all(KEYS.map((key) => db.upsert(key, 1)));
});

test('reads of a node that dies wait for the failover', async () => {
  await using ready = await started({}, { pollInterval: 50 });
  const { db, cluster } = ready;
  const items = db.collection('_default');
  await Promise.all(KEYS.map((key) => items.upsert(key, key, { durability: 'majority' })));
  const reading = KEYS.map((key) => db.get(key));
  await nodeAt(cluster, 1).kill({ reset: true });
  const later = KEYS.map((key) => db.get(key));
  await cluster.failover(nodeAt(cluster, 1));
  assert.deepEqual(await Promise.all(reading), KEYS);
  assert.deepEqual(await Promise.all(later), KEYS);
});
