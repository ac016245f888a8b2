import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  AuthenticationError,
  BackpressureError,
  CasMismatchError,
  ClosedError,
  ConnectionError,
  type CouchbaseConnectOptions,
  type CouchbaseUrl,
  connect,
  DiscardedError,
  DurabilityAmbiguousError,
  DurabilityImpossibleError,
  InvalidArgumentError,
  KeyExistsError,
  KeyNotFoundError,
  PathExistsError,
  PathNotFoundError,
  ServerError,
  sub,
  TimeoutError,
  UnsupportedError,
} from '../../lib/index.ts';
import {
  ClusterOpcode,
  type ClusterOptions,
  ClusterStatus,
  type TestCluster,
} from '../../lib/testing/index.ts';

import { join as joinCluster, LOGIN, started as startedCluster } from './couchbase-clusters.mts';

const PLAIN = { mechanism: 'PLAIN', timeout: 20_000 } as const;

const join = (cluster: TestCluster, options: CouchbaseConnectOptions = {}) =>
  joinCluster(cluster, { ...PLAIN, ...options });

/** A cluster of one node with one database of it. */
async function started(options: ClusterOptions = {}, joining: CouchbaseConnectOptions = {}) {
  const one = { nodes: 1, vbuckets: 1, replicas: 0, collections: { shop: ['orders'] } };
  const ready = await startedCluster({ ...one, ...options }, { ...PLAIN, ...joining });
  return { ...ready, orders: ready.db.scope('shop').collection('orders') };
}

test('records are written and read as everywhere', async () => {
  await using ready = await started();
  const { db } = ready;
  assert.equal(db.capabilities.engine, 'couchbase');
  assert.equal(await db.get('nobody'), undefined);
  assert.equal(await db.exists('nobody'), false);
  const inserted = await db.insert('k', { n: 1 });
  await assert.rejects(db.insert('k', 1), KeyExistsError);
  assert.deepEqual(await db.get('k'), { n: 1 });
  assert.equal(await db.exists('k'), true);
  const record = await db.getRecord('k');
  assert.equal(record?.cas, inserted.cas);
  await db.replace('k', 'text', { cas: inserted.cas });
  await assert.rejects(db.upsert('k', 'x', { cas: inserted.cas }), CasMismatchError);
  await assert.rejects(db.replace('nobody', 1), KeyNotFoundError);
  await db.append('k', '!');
  await db.prepend('k', '>');
  assert.equal(await db.get('k'), '>text!');
  await assert.rejects(db.append('nobody', 'x'), KeyNotFoundError);
  assert.equal(await db.increment('n', { initial: 5n }), 5n);
  assert.equal(await db.increment('n', { delta: 3n }), 8n);
  assert.equal(await db.decrement('n'), 7n);
  assert.equal(await db.increment('nobody'), undefined);
  assert.equal(await db.touch('k', { ttl: 60 }), true);
  assert.equal(await db.getAndTouch('k', { ttl: 60 }), '>text!');
  await db.upsert('bytes', Buffer.from([1, 2, 255]));
  assert.deepEqual(await db.get('bytes'), Buffer.from([1, 2, 255]));
  const large = 'x'.repeat(200_000);
  await db.upsert('large', large);
  assert.equal(await db.get('large'), large);
  assert.deepEqual(
    await db.getMany(['k', 'nobody', 'bytes']),
    new Map<string, unknown>([
      ['k', '>text!'],
      ['bytes', Buffer.from([1, 2, 255])],
    ]),
  );
  assert.equal(await db.remove('k'), true);
  assert.equal(await db.remove('k'), false);
  assert.equal(await db.exists('k'), false);
});

test('a counter that a number cannot hold is read as a bigint', async () => {
  await using ready = await started();
  const { db } = ready;
  for (const [initial, value] of [
    [2n ** 53n - 1n, Number.MAX_SAFE_INTEGER],
    [2n ** 53n, 2n ** 53n],
    [2n ** 53n + 1n, 2n ** 53n + 1n],
    [2n ** 64n - 1n, 2n ** 64n - 1n],
  ] as const) {
    const key = `counter-${initial}`;
    assert.equal(await db.increment(key, { initial }), initial);
    assert.equal(await db.get(key), value);
    assert.equal((await db.getRecord(key))?.value, value);
  }
});

test('a write tells where in its partition it is', async () => {
  await using ready = await started();
  const { db, orders } = ready;
  const first = (await db.upsert('k', 1)).token;
  const second = (await orders.mutateIn('d', [sub.upsert('a', 1)], { storeSemantics: 'upsert' })).token;
  assert.equal(first?.bucket, 'default');
  assert.equal(first?.partition, 0);
  assert.equal(second?.partitionUuid, first?.partitionUuid);
  assert.equal(second?.sequence, (first?.sequence ?? 0n) + 1n);
});

describe('collections', () => {
  test('have keys of their own', async () => {
    await using ready = await started();
    const { db, orders, cluster } = ready;
    await orders.upsert('k', 'order');
    await db.upsert('k', 'default');
    assert.equal(await orders.get('k'), 'order');
    assert.equal(await db.get('k'), 'default');
    assert.equal(await db.collection('_default').get('k'), 'default');
    const stored = await cluster.document('k', { scope: 'shop', collection: 'orders' });
    assert.equal(stored?.value.toString(), 'order');
    assert.deepEqual(await orders.getMany(['k', 'x']), new Map([['k', 'order']]));
  });

  test('refuse bad arguments at the call, also before their ids are known', async () => {
    await using ready = await started();
    const { db, orders } = ready;
    const refuses = (message: RegExp) => (error: unknown) =>
      error instanceof InvalidArgumentError &&
      error.context.argument === 'key' &&
      message.test(error.message);
    const long = 'k'.repeat(247);
    for (let round = 0; round < 2; round += 1) {
      assert.throws(() => orders.get(''), refuses(/empty/));
      assert.throws(() => orders.get(7 as never), refuses(/string/));
      assert.throws(() => orders.upsert(long, 1), refuses(/longer than 246 bytes/));
      assert.throws(() => orders.getMany(['a', long]), refuses(/longer than 246 bytes/));
      assert.throws(() => orders.getAnyReplica(long), refuses(/longer than 246 bytes/));
      const context = db.enter();
      const staged = context.scope('shop').collection('orders');
      assert.throws(() => staged.get(long), refuses(/longer than 246 bytes/));
      context.leave();
      await orders.upsert('k'.repeat(246), 1);
    }
    await db.upsert(long, 1);
    assert.equal(await db.collection('_default').get(long), 1);
    assert.throws(() => db.get('k'.repeat(251)), refuses(/longer than 250 bytes/));
  });

  test('that do not exist are an error, and can be used as soon as they do', async () => {
    await using ready = await started();
    const { cluster, db } = ready;
    const late = db.scope('shop').collection('late');
    await assert.rejects(
      late.get('k'),
      (error) => error instanceof ServerError && error.context.status === 0x88,
    );
    await assert.rejects(db.scope('no').collection('where').get('k'), ServerError);
    await cluster.createCollection('shop', 'late');
    await late.upsert('k', 1);
    assert.equal(await late.get('k'), 1);
    assert.throws(() => db.collection('a b'), InvalidArgumentError);
  });

  test('that are dropped and made again are found under their new id', async () => {
    await using ready = await started();
    const { cluster, orders } = ready;
    await orders.upsert('k', 1);
    await cluster.dropCollection('shop', 'orders');
    await assert.rejects(orders.get('k'), ServerError);
    await cluster.createCollection('shop', 'orders');
    assert.equal(await orders.get('k'), undefined);
    await orders.upsert('k', 2);
    assert.equal(await orders.get('k'), 2);
  });
});

describe('parts of documents', () => {
  test('are read with the types of their paths', async () => {
    await using ready = await started();
    const { orders } = ready;
    await orders.upsert('d', { name: 'Ada', tags: ['a', 'b'], address: { city: 'London' } });
    const result = await orders.lookupIn('d', [
      sub.get<string>('name'),
      sub.exists('nobody'),
      sub.count('tags'),
      sub.get('address.zip'),
      sub.get('name.first'),
    ]);
    assert.ok(result);
    assert.deepEqual([result.at(0), result.at(1), result.at(2), result.at(3)], ['Ada', false, 2, undefined]);
    assert.throws(() => result.at(4), ServerError);
    assert.equal(result.cas, (await orders.getRecord('d'))?.cas);
    assert.equal(await orders.lookupIn('nobody', [sub.get('a')]), undefined);
  });

  test('are changed together or not at all', async () => {
    await using ready = await started();
    const { orders } = ready;
    await orders.upsert('d', { n: 1, tags: ['a'] });
    const { values } = await orders.mutateIn('d', [
      sub.upsert('by', 'me'),
      sub.increment('n', 41n),
      sub.arrayAppend('tags', ['b', 'c']),
      sub.upsert('deep.er', true, { createPath: true }),
      sub.upsert('note', 'aside', { xattr: true }),
    ]);
    assert.deepEqual(values, [undefined, 42n, undefined, undefined, undefined]);
    const changed = { n: 42, tags: ['a', 'b', 'c'], by: 'me', deep: { er: true } };
    assert.deepEqual(await orders.get('d'), changed);
    assert.equal((await orders.lookupIn('d', [sub.get('note', { xattr: true })]))?.at(0), 'aside');
    await assert.rejects(
      orders.mutateIn('d', [sub.upsert('by', 'you'), sub.replace('nobody', 1)]),
      (error) => error instanceof PathNotFoundError && error.context.path === 'nobody',
    );
    await assert.rejects(orders.mutateIn('d', [sub.insert('by', 1)]), PathExistsError);
    assert.deepEqual(await orders.get('d'), changed);
    for (const path of ['a', ''])
      await assert.rejects(orders.mutateIn('nobody', [sub.upsert(path, 1)]), KeyNotFoundError);
    await assert.rejects(
      orders.mutateIn('d', [sub.upsert('a', 1)], { storeSemantics: 'insert' }),
      KeyExistsError,
    );
    await assert.rejects(orders.mutateIn('d', [sub.upsert('a', 1)], { cas: 1n }), CasMismatchError);
  });
});

/** Of an operation that is late, with so much time that a server was asked before; then `reason` is in its message. */
async function lateError(call: (timeout: number) => Promise<unknown>, reason = /./): Promise<TimeoutError> {
  for (let timeout = 100; ; timeout *= 2) {
    const error = await call(timeout).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof TimeoutError, String(error));
    if ((error.cause !== undefined && reason.test(error.message)) || timeout > 60_000) return error;
  }
}

describe('locks', () => {
  test('keep others from writing until they are given up', async () => {
    await using ready = await started();
    const { orders } = ready;
    assert.equal(await orders.getAndLock('nobody', 5), undefined);
    await orders.upsert('k', 1);
    const locked = await orders.getAndLock('k', 30);
    assert.equal(locked?.value, 1);
    const late = await lateError((timeout) => orders.upsert('k', 2, { timeout }));
    assert.ok(!late.ambiguous && late.cause instanceof ServerError);
    await assert.rejects(orders.unlock('k', 1n), CasMismatchError);
    const waiting = orders.upsert('k', 3);
    assert.equal(await orders.unlock('k', locked?.cas ?? 0n), true);
    await waiting;
    assert.equal(await orders.get('k'), 3);
    assert.equal(await orders.unlock('k', 1n), false);
    assert.equal(await orders.unlock('nobody', 1n), false);
  });
});

describe('durable writes', () => {
  test('are done, or tell that nobody knows', async () => {
    await using ready = await started();
    const { cluster, orders } = ready;
    await orders.upsert('k', 1, { durability: 'majority' });
    assert.equal(await orders.remove('k', { durability: 'persistToMajority' }), true);
    const failing = async (status: number) => {
      await cluster.fault({ opcode: 'set', times: 1, action: { kind: 'status', status } });
      return orders.upsert('k', 2, { durability: 'majority' });
    };
    await assert.rejects(
      failing(ClusterStatus.syncWriteAmbiguous),
      (error) => error instanceof DurabilityAmbiguousError && error.ambiguous,
    );
    await assert.rejects(failing(ClusterStatus.durabilityImpossible), DurabilityImpossibleError);
    await failing(ClusterStatus.syncWriteInProgress);
    assert.equal(await orders.get('k'), 2);
  });
});

describe('what a server has certainly not done', () => {
  test('is tried again until it is done', async () => {
    await using ready = await started();
    const { cluster, db, orders } = ready;
    const { temporaryFailure, busy, outOfMemory } = ClusterStatus;
    for (const status of [temporaryFailure, busy, outOfMemory])
      await cluster.fault({ opcode: 'set', times: 1, action: { kind: 'status', status } });
    const value = Buffer.from('as it was');
    const written = orders.upsert('k', value);
    value.fill(0);
    await written;
    assert.deepEqual(await orders.get('k'), Buffer.from('as it was'));
    assert.ok(db.stats().nodes.some(({ retries, errors }) => retries === 3 && errors === 0));
    assert.equal(db.stats().underWay, 0);
  });

  test('stays before later operations of its key', async () => {
    await using ready = await started();
    const { cluster, db } = ready;
    const status = ClusterStatus.temporaryFailure;
    const fault = await cluster.fault({ opcode: 'set', times: 4, action: { kind: 'status', status } });
    const writes = [db.upsert('k', 1)];
    await fault.waitForHits(4);
    writes.push(db.upsert('k', 2), db.collection('_default').append('k', '3'));
    const read = db.get('k');
    await Promise.all(writes);
    assert.equal(await read, 23);
  });

  test('ends with its deadline, its signal or its database', async () => {
    await using ready = await started();
    const { cluster, db, orders } = ready;
    const status = ClusterStatus.temporaryFailure;
    await cluster.fault({ opcode: 'set', action: { kind: 'status', status } });
    const late = await lateError(async (timeout) => {
      const began = performance.now();
      await orders.upsert('k', 1, { timeout }).finally(() => {
        assert.ok(performance.now() - began > timeout - 20, 'it uses all of its time');
      });
    });
    assert.ok(late.cause instanceof ServerError && !late.ambiguous);
    const controller = new AbortController();
    const aborted = orders.upsert('k', 1, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('no more')), 20);
    await assert.rejects(aborted, /no more/);
    const closed = orders.upsert('k', 1);
    closed.catch(() => {});
    await db.close({ timeout: 50 });
    await assert.rejects(closed, ClosedError);
  });
});

describe('what waits counts in the limits', () => {
  const outcomesOf = async (calls: Promise<unknown>[]) =>
    Promise.all(
      calls.map((call) =>
        call.then(
          () => 'done',
          (error: Error) => error.constructor.name,
        ),
      ),
    );
  const limits = { maxInFlight: 1, maxQueued: 1 };

  test('until it is sent again', async () => {
    await using ready = await started({}, limits);
    const { cluster, db } = ready;
    const status = ClusterStatus.temporaryFailure;
    const fault = await cluster.fault({ opcode: 'set', action: { kind: 'status', status } });
    const first = [db.upsert('a', 1), db.upsert('b', 1)];
    await fault.waitForHits(6);
    const late = await outcomesOf(Array.from({ length: 50 }, (_, i) => db.upsert(`k${i}`, 1)));
    assert.deepEqual(new Set(late), new Set(['BackpressureError']));
    await cluster.clearFaults();
    assert.deepEqual(await outcomesOf(first), ['done', 'done']);
    assert.deepEqual(await outcomesOf([db.upsert('c', 1), db.upsert('d', 1)]), ['done', 'done']);
  });

  test('until the id of its collection is known', async () => {
    await using ready = await started({}, limits);
    const { db, orders } = ready;
    const calls = Array.from({ length: 10 }, (_, i) => orders.upsert(`k${i}`, 1));
    const outcomes = await outcomesOf(calls);
    assert.deepEqual(outcomes, ['done', 'done', ...Array(8).fill('BackpressureError')]);
    assert.equal((await orders.getMany(['k0', 'k1', 'k2', 'k3'])).size, 2);
    assert.equal(db.stats().queuedBytes, 0);
  });

  test('by its bytes', async () => {
    await using ready = await started({}, { maxQueuedBytes: 1000 });
    const { db, orders } = ready;
    const first = orders.upsert('a', 'x'.repeat(1000));
    assert.ok(db.stats().queuedBytes >= 1000);
    await assert.rejects(orders.upsert('b', 1), BackpressureError);
    await first;
    assert.equal(db.stats().queuedBytes, 0);
    await orders.upsert('b', 1);
  });
});

describe('the error of an operation that waited in vain tells why', () => {
  test('no server had the partition', async () => {
    await using ready = await started();
    const status = ClusterStatus.notMyVbucket;
    await ready.cluster.fault({ opcode: 'set', action: { kind: 'status', status } });
    const late = await lateError((timeout) => ready.db.upsert('k', 1, { timeout }));
    assert.match(late.message, /no server that was asked has the partition/);
    assert.ok(!late.ambiguous && late.cause instanceof ServerError);
  });

  test('no server told the id of the collection', async () => {
    await using ready = await started();
    const status = ClusterStatus.temporaryFailure;
    await ready.cluster.fault({ opcode: 'collectionsGetId', action: { kind: 'status', status } });
    const late = await lateError((timeout) => ready.orders.upsert('k', 1, { timeout }), /0x86/);
    assert.match(late.message, /id of the collection shop.orders is not known/);
    assert.ok(!late.ambiguous && late.cause instanceof ConnectionError);
  });
});

test('a record keeps its expiry when it is asked to', async () => {
  await using ready = await started();
  const { cluster, orders } = ready;
  const place = { scope: 'shop', collection: 'orders' };
  await orders.upsert('k', 1, { ttl: 1000 });
  const before = (await cluster.document('k', place))?.expiry;
  const told = await orders.lookupIn('k', [sub.get<number>('$document.exptime', { xattr: true })]);
  assert.equal(told?.at(0), before);
  await orders.upsert('k', 2, { preserveExpiry: true });
  assert.equal((await cluster.document('k', place))?.expiry, before);
  await orders.upsert('k', 3);
  assert.equal((await cluster.document('k', place))?.expiry, 0);
});

test('parts of a record change without its expiry, unless it is given one', async () => {
  await using ready = await started();
  const { cluster, orders } = ready;
  const expiry = async () =>
    (await cluster.document('k', { scope: 'shop', collection: 'orders' }))?.expiry ?? -1;
  await orders.upsert('k', { n: 1 }, { ttl: 1000 });
  const first = await expiry();
  assert.ok(first > 0);
  await orders.mutateIn('k', [sub.upsert('n', 2)]);
  assert.equal(await expiry(), first);
  await orders.mutateIn('k', [sub.upsert('n', 3)], { ttl: 5000 });
  assert.ok((await expiry()) > first);
  await orders.mutateIn('k', [sub.upsert('n', 4)], { ttl: 0 });
  assert.equal(await expiry(), 0);
  await orders.mutateIn('k', [sub.upsert('n', 5)], { expiresAt: new Date(Date.now() + 3_600_000) });
  assert.ok((await expiry()) > 0);
  assert.deepEqual(await orders.get('k'), { n: 5 });
});

test('what a context stages for collections leaves with the rest, or not at all', async () => {
  await using ready = await started();
  const { db, orders } = ready;
  const [, changed, read] = await db.schedule(
    (context) =>
      [
        context.upsert('a', 1),
        context
          .scope('shop')
          .collection('orders')
          .mutateIn('b', [sub.increment('n', 5n)], { storeSemantics: 'upsert' }),
        context.getMany(['nobody']),
      ] as const,
  );
  assert.deepEqual(changed.values, [5n]);
  assert.equal(read.size, 0);
  assert.deepEqual(await orders.get('b'), { n: 5 });
  const context = db.enter();
  const discarded = context.scope('shop').collection('orders').upsert('c', 1);
  context.fail();
  await assert.rejects(discarded, DiscardedError);
  assert.equal(await orders.exists('c'), false);
});

test('without implicitFlush nothing is written before flush(), also when the id was not known by then', async () => {
  await using ready = await started({ record: true }, { implicitFlush: false });
  const { cluster, db, orders } = ready;
  const [node] = cluster.nodes;
  assert.ok(node);
  const received = async (opcode: number): Promise<number> =>
    (await node.commands()).filter((command) => command.opcode === opcode).length;
  const written = orders.upsert('k', 1);
  while ((await received(ClusterOpcode.collectionsGetId)) === 0) await setImmediate();
  await using other = await join(cluster);
  for (let i = 0; i < 10; i += 1) await other.get('k');
  assert.equal(await received(ClusterOpcode.set), 0);
  db.flush();
  await written;
  const flushed = db.scope('shop').collection('orders').get('k');
  db.flush();
  assert.equal(await flushed, 1);
});

describe('a context with a collection whose id is not known', () => {
  test('leaves as a whole when it is known', async () => {
    await using ready = await started({ record: true });
    const { cluster, db } = ready;
    await db.schedule((context) => [
      context.upsert('first', 1),
      context.scope('shop').collection('orders').upsert('second', 2),
      context.getMany(['third']),
      context.collection('_default').getAnyReplica('fourth'),
    ]);
    const [node] = cluster.nodes;
    assert.ok(node);
    const keys = (await node.received()).map(({ bytes }) =>
      bytes.toString('latin1').match(/first|second|third|fourth/g),
    );
    assert.deepEqual(
      keys.filter((each) => each !== null),
      [['first', 'second', 'third', 'fourth']],
    );
  });

  test('fails as a whole when there is no such collection', async () => {
    await using ready = await started();
    const { cluster, db } = ready;
    const context = db.enter();
    const staged = [
      context.upsert('first', 1),
      context.scope('shop').collection('nobody').upsert('second', 2),
    ];
    context.leave();
    for (const each of staged) await assert.rejects(each, /no collection shop.nobody/);
    assert.equal(await cluster.document('first'), undefined);
  });
});

/** With so much time that a server was asked before it was over. */
async function untilRefused(reason: RegExp, join: (timeout: number) => Promise<unknown>): Promise<void> {
  for (let timeout = 200; ; timeout *= 2) {
    const error = await join(timeout).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof ConnectionError, String(error));
    if (reason.test(error.message) || timeout > 60_000) return assert.match(error.message, reason);
  }
}

describe('refused', () => {
  test('a wrong password, a bucket that is not there, and what this engine has not', async () => {
    await using ready = await started();
    const { cluster, db } = ready;
    await assert.rejects(join(cluster, { password: 'wrong' }), AuthenticationError);
    await assert.rejects(
      connect(cluster.url.replace(/[^/]*$/, '') as CouchbaseUrl, LOGIN),
      InvalidArgumentError,
    );
    await assert.rejects(
      connect(cluster.url as CouchbaseUrl, { ...LOGIN, placement: 'ketama' } as object),
      UnsupportedError,
    );
    await assert.rejects(
      connect(cluster.url as CouchbaseUrl, { ...LOGIN, mechanism: 'X' as never }),
      InvalidArgumentError,
    );
    const nobody = cluster.url.replace(/[^/]*$/, 'nobody') as CouchbaseUrl;
    for (const mechanism of ['PLAIN', 'SCRAM-SHA1'] as const)
      await untilRefused(/no bucket "nobody"/, (connectTimeout) =>
        connect(nobody, { ...LOGIN, mechanism, connectTimeout }),
      );
    assert.throws(() => db.invalidate('k'), UnsupportedError);
    assert.throws(() => db.setServers([]), UnsupportedError);
    assert.throws(() => db.events, UnsupportedError);
  });
});
