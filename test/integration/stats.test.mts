import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect, type DatabaseStats, defineClass, EventBase, field, type NodeStats, onNew } from 'evenkeel';
import { startServer } from '../../lib/testing/index.ts';
import { pause } from '../pause.mts';
import { onBothBases, outcomes, startPair, until } from './harness.mts';

const onlyNode = ({ nodes }: DatabaseStats): NodeStats => {
  const [node, ...others] = nodes;
  assert.ok(node);
  assert.deepEqual(others, []);
  return node;
};

onBothBases('db.stats()', (bases) => {
  test('counts calls by their method, on contexts and views as well', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    assert.deepEqual(db.stats().calls, {});
    await db.upsert('k', 1);
    await db.get('k');
    await db.get('k');
    await db.getMany(['k', 'missing']);
    await db.schedule((ctx) => [ctx.touch('k', { ttl: 10 }), ctx.getMany(['k'])]);
    await db.exists('k');
    const calls = { upsert: 1, get: 2, getMany: 2, touch: 1, exists: 1 };
    assert.deepEqual({ ...db.stats().calls }, calls);
    assert.equal(db.stats().engine, 'memcached');
    assert.equal(db.stats().storage, undefined);
  });

  test('counts answers, reads, hits and bytes of each server', async () => {
    await using pair = await startPair(bases);
    const { db, server } = pair;
    const before = onlyNode(db.stats());
    assert.deepEqual(
      { ...before, latency: before.latency.count, bytesReceived: 0 },
      {
        name: `127.0.0.1:${server.port}`,
        state: 'connected',
        openConnections: 1,
        inFlight: 0,
        queued: 0,
        bytesSent: 0,
        bytesReceived: 0,
        reads: 0,
        hits: 0,
        connections: 1,
        connectErrors: 0,
        timeouts: 0,
        retries: 0,
        errors: 0,
        reconnects: 0,
        latency: 0,
      },
    );
    await db.upsert('k', 'x'.repeat(1000));
    await db.upsert('large', Buffer.alloc(100_000));
    await Promise.all([db.get('k'), db.get('large'), db.get('missing'), db.exists('k')]);
    await assert.rejects(db.insert('k', 1));
    const after = onlyNode(db.stats());
    assert.deepEqual([after.reads, after.hits, after.errors], [4, 3, 1]);
    assert.equal(after.latency.count, 7);
    assert.ok(after.bytesSent > 101_000 && after.bytesSent < 102_000, `${after.bytesSent} bytes`);
    const received = after.bytesReceived - before.bytesReceived;
    assert.ok(received > 102_000 && received < 103_000, `${received} bytes`);
    assert.equal(
      after.latency.buckets.reduce((sum, { count }) => sum + count, 0),
      7,
    );
  });

  test('tells of latencies in ms, from the hand-over to the answer', async () => {
    await using pair = await startPair(bases);
    const { db, server } = pair;
    const begin = performance.now();
    await server.pause();
    const got = db.get('k');
    await until(() => onlyNode(db.stats()).inFlight === 1);
    await pause(30);
    await server.resume();
    await got;
    const took = performance.now() - begin;
    const { latency } = onlyNode(db.stats());
    for (const value of [latency.mean, latency.p50, latency.p99, latency.p999, latency.max])
      assert.ok(value >= 29 && value <= took * 1.07, `${value} ms of ${took}`);
  });

  test('tells what is in flight, queued and under way, and counts time-outs', async () => {
    await using pair = await startPair(bases, { maxInFlight: 2 });
    const { db, server } = pair;
    await server.pause();
    const under = [1, 2, 3].map((i) => db.get(`k${i}`, { timeout: 1000 }));
    await until(() => onlyNode(db.stats()).inFlight === 2);
    const { underWay, queuedBytes } = db.stats();
    assert.equal(underWay, 3);
    assert.equal(onlyNode(db.stats()).queued, 1);
    assert.ok(queuedBytes > 0 && queuedBytes < 100);
    assert.deepEqual(await outcomes(under), Array(3).fill('EVENKEEL_TIMEOUT'));
    assert.equal(onlyNode(db.stats()).timeouts, 3);
    await server.resume();
    // Answers that are too late are latencies as well.
    await until(() => onlyNode(db.stats()).latency.count === 2);
    assert.equal(db.stats().underWay, 0);
  });

  test('counts connections, attempts that failed, and reads that were made again', async () => {
    await using pair = await startPair(bases, { backoff: { min: 1, max: 5 } });
    const { db, server } = pair;
    await server.pause();
    const got = db.get('k');
    await until(() => onlyNode(db.stats()).inFlight === 1);
    await server.stop();
    await until(() => onlyNode(db.stats()).connectErrors > 0);
    assert.equal(onlyNode(db.stats()).inFlight, 0);
    await server.restart();
    await server.resume();
    assert.equal(await got, undefined);
    const { connections, reconnects, retries, state } = onlyNode(db.stats());
    assert.deepEqual([connections, reconnects, retries, state], [2, 1, 1, 'connected']);
  });

  test('has the servers that there are, each with its own counts, and can be asked after the end', async () => {
    await using one = await startServer();
    await using two = await startServer();
    const db = await bases.connect(`memcached://127.0.0.1:${one.port},127.0.0.1:${two.port}`);
    await Promise.all(Array.from({ length: 50 }, (_, i) => db.get(`k${i}`)));
    const { nodes } = db.stats();
    assert.deepEqual(
      nodes.map(({ name }) => name),
      db.topology.nodes.map(({ name }) => name),
    );
    assert.equal(
      nodes.reduce((sum, { reads }) => sum + reads, 0),
      50,
    );
    assert.ok(nodes.every(({ reads }) => reads > 0));
    db.setServers([`127.0.0.1:${two.port}`]);
    assert.equal(onlyNode(db.stats()).name, `127.0.0.1:${two.port}`);
    await db.close();
    assert.equal(onlyNode(db.stats()).state, 'closed');
  });

  test('is a snapshot that JSON can say', async () => {
    await using pair = await startPair(bases);
    await pair.db.get('k');
    const { storage, ...stats } = pair.db.stats();
    assert.equal(storage, undefined);
    assert.deepEqual(JSON.parse(JSON.stringify(stats)), stats);
  });
});

describe('db.stats() of an embedded database', () => {
  const Item = defineClass('Item', { key: 'id', fields: { id: field.uint32() }, events: [onNew()] });
  let base: EventBase;
  before(() => {
    base = EventBase.create();
  });
  after(() => base.close());

  test('counts calls, and tells of the file, its readers and the journal', async () => {
    await using db = await connect('embedded:', { classes: [Item], eventBase: base });
    const before = db.stats();
    assert.deepEqual([before.engine, before.nodes, before.calls], ['embedded', [], {}]);
    await db.upsert('k', 'v');
    await db.records(Item).insert({ id: 1 });
    await db.transaction((tx) => tx.remove('k'));
    const writing = db.upsert('k', 'v');
    assert.equal(db.stats().underWay, 1);
    await writing;
    const { calls, storage, underWay } = db.stats();
    assert.deepEqual({ ...calls }, { upsert: 2, insert: 1, transaction: 1 });
    assert.equal(underWay, 0);
    assert.ok(storage && before.storage);
    assert.ok(storage.commits >= before.storage.commits + 4);
    assert.ok(storage.usedBytes >= 8192 && storage.usedBytes <= storage.mapBytes);
    assert.ok(storage.readers >= 1);
    assert.deepEqual([storage.journal.oldest, storage.journal.newest], [1, 1]);
    assert.ok(storage.journal.bytes > 0);
  });
});
