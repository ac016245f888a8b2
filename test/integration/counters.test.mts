import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError, ServerError } from '../../lib/errors.ts';
import { BOTH_PROTOCOLS, everywhere, until } from './harness.mts';

const LARGEST = 0xffffffffffffffffn;

everywhere(
  'counters',
  (site) => {
    test('a missing counter without initial is a miss and stays missing', async () => {
      await using db = await site.open();
      const key = site.key();
      assert.equal(await db.increment(key), undefined);
      assert.equal(await db.decrement(key, { delta: 5, ttl: 10 }), undefined);
      assert.equal(await db.exists(key), false);
    });

    test('a missing counter is created with initial, whatever delta is', async () => {
      await using db = await site.open();
      const [up, down, zero, large] = [site.key(), site.key(), site.key(), site.key()];
      assert.equal(await db.increment(up, { delta: 5n, initial: 100n }), 100n);
      assert.equal(await db.increment(up, { delta: 5n, initial: 100n }), 105n);
      assert.equal(await db.decrement(down, { delta: 5, initial: 7 }), 7n);
      assert.equal(await db.decrement(down, { delta: 5, initial: 7 }), 2n);
      assert.equal(await db.increment(zero, { initial: 0 }), 0n);
      assert.equal(await db.increment(zero), 1n);
      assert.equal(await db.increment(large, { initial: LARGEST }), LARGEST);
    });

    test('wraps at 2^64 going up and stops at 0 going down', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.increment(key, { initial: LARGEST });
      assert.equal(await db.increment(key), 0n);
      assert.equal(await db.increment(key, { delta: LARGEST }), LARGEST);
      assert.equal(await db.increment(key, { delta: 11n }), 10n);
      assert.equal(await db.decrement(key, { delta: 11n }), 0n);
      assert.equal(await db.decrement(key, { delta: LARGEST }), 0n);
      assert.equal(await db.increment(key, { delta: 0 }), 0n);
    });

    test('is never rounded', async () => {
      await using db = await site.open();
      const key = site.key();
      const start = 9007199254740993n;
      assert.equal(await db.increment(key, { initial: start }), start);
      assert.equal(await db.increment(key), start + 1n);
      assert.equal(await db.decrement(key, { delta: 2n }), start - 1n);
      assert.equal(await db.increment(key, { delta: 1n << 63n }), start - 1n + (1n << 63n));
    });

    test('counts in what was written as a number or a string of digits', async () => {
      await using db = await site.open();
      const [number, text] = [site.key(), site.key()];
      await Promise.all([db.upsert(number, 41), db.upsert(text, '99')]);
      assert.equal(await db.increment(number), 42n);
      assert.equal(await db.get(number), 42);
      assert.equal(await db.increment(text), 100n);
      assert.equal(await db.get(text), '100');
    });

    test('what is not numeric is a ServerError with its status', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.upsert(key, 'twelve');
      for (const count of [db.increment(key), db.decrement(key)]) {
        await assert.rejects(count, (error) => error instanceof ServerError && error.context.status === 6);
      }
      assert.equal(await db.get(key), 'twelve');
    });

    test('expires when it was created with a ttl', async () => {
      await using db = await site.open();
      const key = site.key();
      assert.equal(await db.increment(key, { initial: 1, ttl: 1 }), 1n);
      await until(async () => !(await db.exists(key)));
    });

    test('delta and initial are unsigned, 64 bits wide, and whole', async () => {
      await using db = await site.open();
      for (const bad of [-1n, 1n << 64n, -1, 1.5, 2 ** 53, Number.NaN, '1', null]) {
        for (const argument of ['delta', 'initial']) {
          const refusal = (error: unknown): boolean =>
            error instanceof InvalidArgumentError && error.context.argument === argument;
          assert.throws(() => db.increment('k', { [argument]: bad }), refusal);
          assert.throws(() => db.decrement('k', { [argument]: bad }), refusal);
        }
      }
    });

    test('ten thousand increments at once all count', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.increment(key, { initial: 0 });
      const counts = await Promise.all(Array.from({ length: 10_000 }, () => db.increment(key)));
      assert.equal(new Set(counts).size, 10_000);
      assert.equal(await db.increment(key, { delta: 0 }), 10_000n);
    });
  },
  BOTH_PROTOCOLS,
);
