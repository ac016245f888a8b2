import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { BackpressureError } from '../../lib/errors.ts';
import { inBothProtocols, outcomes, startPair, until } from './harness.mts';
import { keysSent } from './wire.mts';

inBothProtocols('limits', (bases) => {
  test('no more than maxInFlight operations are with the server; the others follow as it answers', async () => {
    await using pair = await startPair(bases, { maxInFlight: 3 }, { record: true });
    const { db, server } = pair;
    await server.fault({ opcode: 'get', action: { kind: 'delay', ms: 30 } });
    const gets = Array.from({ length: 9 }, (_, i) => db.get(`k${i}`));
    await until(async () => (await keysSent(server)).length > 0);
    assert.equal((await keysSent(server)).length, 3);
    await gets[0];
    assert.ok((await keysSent(server)).length <= 4);
    await Promise.all(gets);
    assert.equal((await keysSent(server)).length, 9);
  });

  test('beyond maxInFlight and maxQueued operations reject with BackpressureError, and sending goes on', async () => {
    await using pair = await startPair(bases, { maxInFlight: 2, maxQueued: 3 }, { record: true });
    const { db, server } = pair;
    const promises = Array.from({ length: 9 }, (_, i) => db.upsert(`k${i}`, i));
    const codes = await outcomes(promises);
    assert.deepEqual(codes, [...Array(5).fill('ok'), ...Array(4).fill('EVENKEEL_BACKPRESSURE')]);
    await assert.rejects(promises.at(-1) as Promise<unknown>, (error) => {
      assert.ok(error instanceof BackpressureError);
      assert.deepEqual([error.retryable, error.ambiguous], [true, false]);
      assert.equal(error.context.op, 'upsert');
      assert.match(error.message, /maxInFlight/);
      return true;
    });
    assert.deepEqual(await outcomes([db.get('a'), db.get('b'), db.get('c')]), ['ok', 'ok', 'ok']);
    assert.deepEqual(await keysSent(server), ['k0', 'k1', 'k2', 'k3', 'k4', 'a', 'b', 'c']);
  });

  test('the bytes that wait to be written are bounded by maxQueuedBytes, of values and keys alike', async () => {
    await using pair = await startPair(bases, { maxQueuedBytes: 1000 });
    const { db } = pair;
    const values = Array.from({ length: 6 }, (_, i) => db.upsert(`v${i}`, 'x'.repeat(400)));
    assert.deepEqual(await outcomes(values), [
      ...Array(3).fill('ok'),
      ...Array(3).fill('EVENKEEL_BACKPRESSURE'),
    ]);
    await assert.rejects(values.at(-1) as Promise<unknown>, (error) => {
      assert.ok(error instanceof BackpressureError);
      assert.deepEqual([error.retryable, error.ambiguous], [true, false]);
      assert.equal(error.context.op, 'upsert');
      assert.match(error.message, /maxQueuedBytes/);
      return true;
    });
    const keys = Array.from({ length: 6 }, (_, i) => db.get(`${i}`.padEnd(250, 'k')));
    assert.deepEqual(await outcomes(keys), [
      ...Array(4).fill('ok'),
      ...Array(2).fill('EVENKEEL_BACKPRESSURE'),
    ]);
    for (const value of [Buffer.alloc(100_000), 'é'.repeat(50_000)]) {
      // Whatever its size, it is accepted when nothing else waits.
      const large = [db.upsert('large', value), db.get('large')];
      assert.deepEqual(await outcomes(large), ['ok', 'EVENKEEL_BACKPRESSURE']);
    }
    assert.deepEqual(await outcomes([db.get('v0')]), ['ok']);
  });

  test('what is given up while it waits leaves room for other bytes', async () => {
    const { base } = bases;
    const options = { lazy: true, eventBase: base, protocol: 'binary', maxQueuedBytes: 1_000_000 } as const;
    await using db = await connect('memcached://127.0.0.1:1', options);
    for (const value of ['s'.repeat(1000), 's'.repeat(50_000), Buffer.alloc(50_000)]) {
      for (const aborts of [false, true]) {
        const abort = new AbortController();
        const end = aborts ? { signal: abort.signal } : { timeout: 20 };
        const waiting: Promise<unknown>[] = [];
        // A head of 32 bytes, and the key.
        for (let bytes = 0; bytes < 1_000_000; bytes += 33 + value.length)
          waiting.push(db.upsert('k', value, end));
        const refused = db.get('k', end);
        await assert.rejects(refused, BackpressureError);
        setImmediate(() => abort.abort());
        const codes = new Set(await outcomes(waiting));
        assert.ok(!codes.has('ok') && !codes.has('EVENKEEL_BACKPRESSURE'), [...codes].join());
        // The thread of a base hears of an abort a little later.
        await until(async () => (await outcomes([db.get('k', { timeout: 1 })]))[0] === 'EVENKEEL_TIMEOUT');
      }
    }
  });

  test('a read whose connection was lost is sent again though the bytes that may wait do', async () => {
    await using pair = await startPair(bases, {
      maxInFlight: 1,
      maxQueuedBytes: 1000,
      backoff: { min: 1, max: 5 },
    });
    const { db, server } = pair;
    const hang = await server.fault({ key: 'read', times: 1, action: { kind: 'hang' } });
    const read = db.get('read');
    await hang.waitForHits(1);
    const behind = [db.upsert('a', 'x'.repeat(600)), db.upsert('b', 'x'.repeat(600))];
    await assert.rejects(db.get('c'), BackpressureError);
    await server.disconnectAll();
    assert.deepEqual(await outcomes([read, ...behind]), ['ok', 'ok', 'ok']);
  });

  test('getMany of more than may wait at once starts as much as there is room for', async () => {
    await using pair = await startPair(bases, { maxQueuedBytes: 2000 });
    const keys = Array.from({ length: 500 }, (_, i) => `${i}`.padEnd(100, 'k'));
    await pair.db.upsert(keys[499] as string, 'found');
    assert.deepEqual([...(await pair.db.getMany(keys)).values()], ['found']);
  });

  test('a call with bad arguments throws even when there is no room', async () => {
    await using pair = await startPair(bases, { maxInFlight: 1, maxQueued: 0 });
    const first = pair.db.get('k');
    assert.throws(() => pair.db.get(''), { code: 'EVENKEEL_INVALID_ARGUMENT' });
    await assert.rejects(pair.db.getMany(['a', 'b']), BackpressureError);
    await first;
  });

  test('with maxQueued: 0 and maxInFlight: 1 one operation after the other is served', async () => {
    await using pair = await startPair(bases, { maxInFlight: 1, maxQueued: 0 });
    for (let i = 0; i < 100; i += 1) {
      await pair.db.upsert('k', i);
      assert.equal(await pair.db.get('k'), i);
    }
  });

  test('operations that timed out at the server count until it answers or is given up', async () => {
    await using pair = await startPair(bases, {
      maxInFlight: 2,
      maxQueued: 0,
      timeout: 40,
      backoff: { min: 1, max: 5 },
    });
    const { db, server } = pair;
    await server.fault({ key: 'hung', times: 2, action: { kind: 'hang' } });
    const codes = await outcomes([db.upsert('hung', 1), db.upsert('hung', 2)]);
    assert.ok(
      codes.every((code) => code === 'EVENKEEL_TIMEOUT' || code === 'EVENKEEL_CONNECTION'),
      String(codes),
    );
    await until(async () => (await outcomes([db.get('k', { timeout: 1000 })]))[0] === 'ok');
  });
});
