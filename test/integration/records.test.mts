import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { CasMismatchError, KeyExistsError, KeyNotFoundError } from '../../lib/errors.ts';
import { succeedsAtTimes } from '../loop-time.mts';
import { ALL_PROTOCOLS, everywhere, until } from './harness.mts';

everywhere(
  'single records',
  (site) => {
    test('get resolves to what upsert wrote, and to undefined where there is nothing', async () => {
      await using db = await site.open();
      const key = site.key();
      assert.equal(await db.get(key), undefined);
      await db.upsert(key, 'value');
      assert.equal(await db.get(key), 'value');
      await db.upsert(key, 'other');
      assert.equal(await db.get(key), 'other');
    });

    test('getRecord adds the version and the flags', async () => {
      await using db = await site.open();
      const key = site.key();
      assert.equal(await db.getRecord(key), undefined);
      const { cas } = await db.upsert(key, { a: 1 });
      const record = await db.getRecord<{ a: number }>(key);
      assert.ok(record);
      assert.deepEqual(record.value, { a: 1 });
      assert.equal(record.cas, cas);
      assert.equal(record.flags, 0x02000000);
      assert.ok(cas > 0n);
      await db.upsert(key, { a: 2 });
      assert.notEqual((await db.getRecord(key))?.cas, cas);
    });

    test('exists and remove tell whether there was a record', async () => {
      await using db = await site.open();
      const key = site.key();
      assert.equal(await db.exists(key), false);
      assert.equal(await db.remove(key), false);
      await db.upsert(key, 'x'.repeat(100_000));
      assert.equal(await db.exists(key), true);
      assert.equal(await db.remove(key), true);
      assert.equal(await db.exists(key), false);
    });

    test('insert writes only what is not there', async () => {
      await using db = await site.open();
      const key = site.key();
      const { cas } = await db.insert(key, 1);
      await assert.rejects(db.insert(key, 2), KeyExistsError);
      const record = await db.getRecord(key);
      assert.deepEqual([record?.value, record?.cas], [1, cas]);
    });

    test('replace writes only what is there', async () => {
      await using db = await site.open();
      const key = site.key();
      await assert.rejects(db.replace(key, 1), KeyNotFoundError);
      assert.equal(await db.exists(key), false);
      await db.upsert(key, 1);
      await db.replace(key, 2);
      assert.equal(await db.get(key), 2);
    });

    test('append and prepend put bytes around a value, whose flags stay', async () => {
      await using db = await site.open();
      const key = site.key();
      await assert.rejects(db.append(key, 'x'), KeyNotFoundError);
      await assert.rejects(db.prepend(key, 'x'), KeyNotFoundError);
      assert.equal(await db.exists(key), false);
      await db.upsert(key, 'm');
      await db.append(key, 'ü');
      const { cas } = await db.prepend(key, Buffer.from('<'));
      await db.append(key, '');
      const record = await db.getRecord(key);
      assert.deepEqual([record?.value, record?.flags], ['<mü', 0x04000000]);
      assert.ok(cas > 0n);
      for (const value of [1, null, undefined, {}, []]) {
        assert.throws(() => db.append(key, value as string), { code: 'EVENKEEL_INVALID_ARGUMENT' });
        assert.throws(() => db.prepend(key, value as string), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      }
    });

    test('a write under the cas of the record succeeds, under an older one it is a CasMismatchError', async () => {
      await using db = await site.open();
      const key = site.key();
      const first = await db.upsert(key, 'one');
      const second = await db.upsert(key, 'two', { cas: first.cas });
      const third = await db.replace(key, 'three', { cas: second.cas });
      const fourth = await db.append(key, '!', { cas: third.cas });
      const fifth = await db.prepend(key, '?', { cas: fourth.cas });
      assert.equal(await db.get(key), '?three!');
      const { cas } = third;
      await assert.rejects(db.upsert(key, 'x', { cas }), CasMismatchError);
      await assert.rejects(db.replace(key, 'x', { cas }), CasMismatchError);
      await assert.rejects(db.append(key, 'x', { cas }), CasMismatchError);
      await assert.rejects(db.prepend(key, 'x', { cas }), CasMismatchError);
      await assert.rejects(db.remove(key, { cas }), CasMismatchError);
      assert.equal(await db.get(key), '?three!');
      assert.equal(await db.remove(key, { cas: fifth.cas }), true);
    });

    test('the cas of one write is not carried into the next', async () => {
      await using db = await site.open();
      const [one, other] = [site.key(), site.key()];
      const { cas } = await db.upsert(one, 1);
      const [conditional, plain] = await Promise.all([
        db.upsert(one, 2, { cas }),
        db.upsert(other, 1, {}),
        db.append(other, '1'),
      ]);
      assert.ok(conditional.cas > 0n && plain.cas > 0n);
      assert.equal(await db.get(other), 11);
    });

    test('a cas given for a record that is gone is a KeyNotFoundError, and nothing is written', async () => {
      await using db = await site.open();
      const key = site.key();
      const { cas } = await db.upsert(key, 1);
      await db.remove(key);
      await assert.rejects(db.upsert(key, 2, { cas }), KeyNotFoundError);
      await assert.rejects(db.replace(key, 2, { cas }), KeyNotFoundError);
      assert.equal(await db.remove(key, { cas }), false);
      assert.equal(await db.exists(key), false);
    });

    test('what is no version is refused by the call', async () => {
      await using db = await site.open();
      for (const cas of [0n, -1n, 1n << 64n, 1, '1', null]) {
        assert.throws(
          () => db.upsert('k', 1, { cas: cas as bigint }),
          (error: { context?: { argument?: string } }) => error.context?.argument === 'cas',
        );
      }
    });

    test('a record is gone after its ttl, and not while it is renewed', async () => {
      await using db = await site.open();
      const [short, touched, read, kept] = [site.key(), site.key(), site.key(), site.key()];
      await succeedsAtTimes(async () => {
        await Promise.all([short, touched, read, kept].map((key) => db.upsert(key, 'v', { ttl: 1 })));
        const renewed = await Promise.all([
          db.touch(touched, { ttl: 1000 }),
          db.getAndTouch(read, { ttl: 0 }),
          db.touch(kept, { expiresAt: new Date(Date.now() + 1e9) }),
        ]);
        return isDeepStrictEqual(renewed, [true, 'v', true]); // unless the second was over before
      });
      await until(async () => (await db.get(short)) === undefined);
      assert.deepEqual(
        await db.getMany([short, touched, read, kept]),
        new Map([touched, read, kept].map((k) => [k, 'v'])),
      );
      assert.equal(await db.touch(short, { ttl: 10 }), false);
      assert.equal(await db.getAndTouch(short, { ttl: 10 }), undefined);
    });

    test('what is to expire in the past is gone at once, what expires after 30 days stays', async () => {
      await using db = await site.open();
      const key = site.key();
      for (const expiresAt of [new Date(Date.now() - 60_000), new Date(0), new Date(5000), new Date(-1e12)]) {
        await db.upsert(key, 'v', { expiresAt });
        assert.equal(await db.get(key), undefined);
      }
      await db.upsert(key, 'v', { ttl: 31 * 86_400 });
      assert.equal(await db.get(key), 'v');
      await db.touch(key, { ttl: 365 * 86_400 });
      assert.equal(await db.get(key), 'v');
      await db.touch(key, { expiresAt: new Date(1000) });
      assert.equal(await db.get(key), undefined);
    });

    test('touch and getAndTouch want to know the new time', async () => {
      await using db = await site.open();
      for (const options of [{}, undefined, { timeout: 10 }]) {
        assert.throws(() => db.touch('k', options as { ttl: number }), { code: 'EVENKEEL_INVALID_ARGUMENT' });
        assert.throws(() => db.getAndTouch('k', options as { ttl: number }), {
          code: 'EVENKEEL_INVALID_ARGUMENT',
        });
      }
    });

    test('operations of one client on one key happen in the order of their calls', async () => {
      await using db = await site.open();
      const key = site.key();
      const seen = [];
      for (let i = 0; i < 500; i += 1) seen.push(db.upsert(key, i), db.get(key), db.remove(key), db.get(key));
      const results = await Promise.all(seen);
      for (let i = 0; i < 500; i += 1) {
        assert.deepEqual(results.slice(i * 4 + 1, i * 4 + 4), [i, true, undefined]);
      }
    });
  },
  ALL_PROTOCOLS,
);
