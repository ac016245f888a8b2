import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackpressureError } from '../../lib/errors.ts';
import { onBothBases, outcomes, startPair, until } from './harness.mts';
import { keysSent } from './wire.mts';

onBothBases('limits', (bases) => {
  test('no more than maxInFlight operations are with the server; the others follow as it answers', async () => {
    await using pair = await startPair(bases, { maxInFlight: 3 }, { record: true });
    const { db, server } = pair;
    await server.fault({ opcode: 'get', action: { kind: 'delay', ms: 30 } });
    const gets = Array.from({ length: 9 }, (_, i) => db.get(`k${i}`));
    await server.waitForCommands(4);
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
