import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Database } from '../../lib/database.ts';
import { takes } from '../loop-time.mts';
import { everywhere, inBothProtocols, outcomes, startPair, until } from './harness.mts';
import { keysSent } from './wire.mts';

type Call = (db: Database, signal: AbortSignal) => Promise<unknown>;

const CALLS: [name: string, call: Call][] = [
  ['get', (db, signal) => db.get('k', { signal })],
  ['getRecord', (db, signal) => db.getRecord('k', { signal })],
  ['getMany', (db, signal) => db.getMany(['k', 'l'], { signal })],
  ['exists', (db, signal) => db.exists('k', { signal })],
  ['insert', (db, signal) => db.insert('k', 1, { signal })],
  ['upsert', (db, signal) => db.upsert('k', 1, { signal })],
  ['replace', (db, signal) => db.replace('k', 1, { signal })],
  ['remove', (db, signal) => db.remove('k', { signal })],
  ['touch', (db, signal) => db.touch('k', { signal, ttl: 1 })],
  ['getAndTouch', (db, signal) => db.getAndTouch('k', { signal, ttl: 1 })],
  ['increment', (db, signal) => db.increment('k', { signal })],
  ['decrement', (db, signal) => db.decrement('k', { signal })],
  ['append', (db, signal) => db.append('k', 'v', { signal })],
  ['prepend', (db, signal) => db.prepend('k', 'v', { signal })],
];

inBothProtocols('an AbortSignal', (bases) => {
  for (const [name, call] of CALLS) {
    test(`rejects ${name} with its reason, whether it aborts before the call or after the request left`, async () => {
      await using pair = await startPair(bases, {}, { record: true });
      const { db, server } = pair;
      const reason = new Error('no longer wanted');
      await assert.rejects(call(db, AbortSignal.abort(reason)), reason);
      await assert.rejects(call(db, AbortSignal.abort()), { name: 'AbortError' });
      assert.deepEqual(await keysSent(server), []);
      const hang = await server.fault({ key: 'k', times: 1, action: { kind: 'hang', later: 'answer' } });
      const controller = new AbortController();
      const outcome = call(db, controller.signal);
      await hang.waitForHits();
      controller.abort(reason);
      await assert.rejects(outcome, reason);
      assert.equal(await db.get('other'), undefined);
    });
  }

  test('that aborts in the tick of the call keeps the request from being sent', async () => {
    await using pair = await startPair(bases, {}, { record: true });
    const { db, server } = pair;
    for (let i = 0; i < 300; i += 1) {
      const controller = new AbortController();
      const aborted = db.upsert(`aborted${i}`, 1, { signal: controller.signal });
      controller.abort();
      await assert.rejects(aborted, { name: 'AbortError' });
      await setImmediate();
    }
    await db.get('other');
    assert.deepEqual(await keysSent(server), ['other']);
  });

  test('that aborts after the answer changes nothing', async () => {
    await using pair = await startPair(bases);
    const controller = new AbortController();
    const { signal } = controller;
    await pair.db.upsert('k', 1, { signal });
    assert.equal(await pair.db.get('k', { signal }), 1);
    controller.abort();
    assert.equal(await pair.db.get('k'), 1);
  });

  test('shared by thousands of operations ends all of them, soon and without a warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    await using pair = await startPair(bases, { timeout: 20_000 });
    const { db, server } = pair;
    await server.pause();
    await takes(bases.base, 0, 1000, async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const promises = Array.from({ length: 20_000 }, (_, i) => db.upsert(`k${i}`, i, { signal }));
      controller.abort();
      assert.deepEqual(new Set(await outcomes(promises)), new Set([20]));
    });
    await setImmediate();
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });

  test('frees the place of its operation', async () => {
    await using pair = await startPair(bases, { maxInFlight: 2, maxQueued: 2 });
    for (let i = 0; i < 50; i += 1) {
      const controller = new AbortController();
      const promises = [1, 2, 3, 4].map(() => pair.db.get('k', { signal: controller.signal }));
      controller.abort();
      assert.deepEqual(await outcomes(promises), [20, 20, 20, 20]);
      // A thread gives the places back once it has heard of it.
      await until(async () => (await outcomes([pair.db.get('k')]))[0] === 'ok');
    }
  });

  test('is one, or refused by the call', async () => {
    await using pair = await startPair(bases);
    for (const signal of [null, {}, true, new AbortController(), new EventTarget()]) {
      for (const [, call] of CALLS) {
        assert.throws(() => call(pair.db, signal as AbortSignal), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      }
    }
  });
});

everywhere('an AbortSignal', (site) => {
  test('that never aborts is not in the way', async () => {
    await using db = await site.open();
    const { signal } = new AbortController();
    const keys = Array.from({ length: 2000 }, () => site.key());
    await Promise.all(keys.map((key) => db.upsert(key, 1, { signal })));
    assert.equal((await db.getMany(keys, { signal })).size, 2000);
  });

  test('with a timeout of its own rejects with that', async () => {
    await using db = await site.open({ implicitFlush: false });
    await assert.rejects(db.get('k', { signal: AbortSignal.timeout(20) }), {
      name: 'TimeoutError',
      code: 23,
    });
  });
});
