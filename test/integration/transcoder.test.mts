import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { DecodeError, InvalidArgumentError } from '../../lib/errors.ts';
import { commonFlagsTranscoder, type Transcoder } from '../../lib/transactions/transcoder.ts';
import { everywhere, outcomes } from './harness.mts';

const plain = commonFlagsTranscoder;

everywhere('a transcoder', (site) => {
  test('of the user says how values become bytes and what their flags are', async () => {
    const deflating: Transcoder = {
      encode: (value) => ({ data: deflateRawSync(JSON.stringify(value)), flags: 0xfffffffe }),
      decode: (data, flags) => [flags, JSON.parse(inflateRawSync(data).toString())],
    };
    await using db = await site.open({ transcoder: deflating });
    for (const value of [{ a: 1 }, 'x'.repeat(300_000), Array.from({ length: 20_000 }, (_, i) => i)]) {
      const key = site.key();
      const { cas } = await db.upsert(key, value);
      assert.deepEqual(await db.get(key), [0xfffffffe, value]);
      const record = await db.getRecord(key);
      assert.deepEqual([record?.value, record?.flags, record?.cas], [[0xfffffffe, value], 0xfffffffe, cas]);
      assert.deepEqual(await db.getMany([key]), new Map([[key, [0xfffffffe, value]]]));
      assert.deepEqual(await db.getAndTouch(key, { ttl: 9 }), [0xfffffffe, value]);
    }
    const key = site.key();
    await db.schedule((ctx) => [ctx.upsert(key, 'scheduled')]);
    assert.deepEqual(await db.get(key), [0xfffffffe, 'scheduled']);
  });

  test('may keep the Buffers it was given', async () => {
    const kept: Buffer[] = [];
    const decode = (data: Buffer): number => kept.push(data);
    await using db = await site.open({ transcoder: { encode: plain.encode, decode } });
    const keys = Array.from({ length: 300 }, () => site.key());
    const values = keys.map((_, i) => Buffer.alloc(i % 3 === 0 ? 20_000 : 300, i));
    await Promise.all(keys.map((key, i) => db.upsert(key, values[i])));
    for (const key of keys) await db.get(key);
    await db.getMany(keys);
    assert.deepEqual(kept, [...values, ...values]);
  });

  test('that throws in encode makes the call throw that, and nothing is sent', async () => {
    const failure = new Error('not this one');
    const encode = (): never => {
      throw failure;
    };
    await using db = await site.open({ transcoder: { encode, decode: plain.decode } });
    const key = site.key();
    assert.throws(() => db.upsert(key, 1), failure);
    const context = db.enter();
    assert.throws(() => context.insert(key, 1), failure);
    assert.equal(context.size, 0);
    assert.equal(await db.exists(key), false);
  });

  test('that throws in decode rejects the reading with that, and nothing else', async () => {
    const failure = new RangeError('not this one');
    const decode: Transcoder['decode'] = (data, flags) => {
      if (data.toString() === 'bad') throw failure;
      return plain.decode(data, flags);
    };
    await using db = await site.open({ transcoder: { encode: plain.encode, decode } });
    const [good, bad] = [site.key(), site.key()];
    await Promise.all([db.upsert(good, 'good'), db.upsert(bad, 'bad')]);
    const reads = [
      db.get(good),
      db.get(bad),
      db.getRecord(bad),
      db.getMany([good, bad]),
      db.get(good),
      db.exists(bad),
    ];
    const settled = await Promise.allSettled(reads);
    const reasons = settled.map((each) => (each.status === 'rejected' ? each.reason : each.value));
    assert.deepEqual(reasons, ['good', failure, failure, failure, 'good', true]);
    assert.equal(reasons[1], failure);
  });

  test('that throws one frozen error of this package again and again leaves it and all else as they are', async () => {
    const sealed = Object.freeze(new DecodeError('sealed', { context: { argument: 'seal' } }));
    const decode: Transcoder['decode'] = (data, flags) => {
      if (data.toString() === 'bad') throw sealed;
      return plain.decode(data, flags);
    };
    await using db = await site.open({ transcoder: { encode: plain.encode, decode } });
    const [good, bad] = [site.key(), site.key()];
    await Promise.all([db.upsert(good, 'good'), db.upsert(bad, 'bad')]);
    const settled = await Promise.allSettled([db.get(bad), db.get(good), db.get(bad), db.get(good)]);
    assert.deepEqual(
      settled.map((each) => (each.status === 'rejected' ? each.reason === sealed : each.value)),
      [true, 'good', true, 'good'],
    );
    assert.deepEqual(sealed.context, { argument: 'seal' });
  });

  test('that decodes to a promise makes get wait for it', async () => {
    const failure = new Error('later');
    const decode: Transcoder['decode'] = async (data) => {
      await Promise.resolve();
      if (data.toString() === 'bad') throw failure;
      return data.toString().toUpperCase();
    };
    await using db = await site.open({ transcoder: { encode: plain.encode, decode } });
    const [good, bad] = [site.key(), site.key()];
    await Promise.all([db.upsert(good, 'good'), db.upsert(bad, 'bad')]);
    assert.equal(await db.get(good), 'GOOD');
    await assert.rejects(db.get(bad), failure);
  });

  test('that encodes to anything but data and flags is refused by the call, and stores nothing', async () => {
    const encoded: unknown[] = [
      Promise.resolve({ data: 'x', flags: 0 }),
      {},
      { data: 1, flags: 0 },
      { data: null, flags: 0 },
      { data: ['x'], flags: 0 },
      { data: 'x' },
      { data: 'x', flags: -1 },
      { data: 'x', flags: 2 ** 32 },
      { data: 'x', flags: 1.5 },
      { data: 'x', flags: 1n },
      { data: 'lone \ud800 surrogate', flags: 0 },
      undefined,
      null,
      'x',
    ];
    let next: unknown;
    const encode = (): { data: string; flags: number } => next as { data: string; flags: number };
    await using db = await site.open({ transcoder: { encode, decode: plain.decode } });
    const key = site.key();
    for (next of encoded) {
      assert.throws(
        () => db.upsert(key, 1),
        (error) => error instanceof InvalidArgumentError && error.context.argument === 'value',
      );
    }
    assert.equal(await db.exists(key), false);
  });

  test('may call the client while it decodes', async () => {
    const more: Promise<unknown>[] = [];
    const key = site.key();
    const transcoder: Transcoder = {
      encode: plain.encode,
      decode(data, flags) {
        if (more.length < 50) more.push(db.get(key), db.upsert(site.key(), 1));
        return plain.decode(data, flags);
      },
    };
    await using db = await site.open({ transcoder });
    await db.upsert(key, 'again');
    assert.deepEqual(
      await Promise.all(Array.from({ length: 100 }, () => db.get(key))),
      Array(100).fill('again'),
    );
    assert.equal(new Set(await outcomes(more)).size, 1);
  });

  test('may close the client while it decodes', async () => {
    const transcoder: Transcoder = {
      encode: plain.encode,
      decode(data) {
        void db.close();
        return data.toString();
      },
    };
    const db = await site.open({ transcoder });
    const key = site.key();
    await db.upsert(key, 'value');
    const values = await Promise.all(Array.from({ length: 50 }, () => db.get(key)));
    assert.deepEqual(values, Array(50).fill('value'));
    await db.close();
  });
});
