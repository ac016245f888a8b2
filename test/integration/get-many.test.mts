import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOTH_PROTOCOLS, everywhere, inBothProtocols, startPair } from './harness.mts';
import { writesDuring } from './wire.mts';

everywhere(
  'getMany',
  (site) => {
    test('of no keys resolves to an empty Map', async () => {
      await using db = await site.open();
      assert.deepEqual(await db.getMany([]), new Map());
      assert.deepEqual(await db.getMany(new Set()), new Map());
    });

    test('of one and two keys has those that exist', async () => {
      await using db = await site.open();
      const [a, b, missing] = [site.key(), site.key(), site.key()];
      await Promise.all([db.upsert(a, 1), db.upsert(b, null)]);
      assert.deepEqual(await db.getMany([a]), new Map([[a, 1]]));
      assert.deepEqual(await db.getMany([missing]), new Map());
      assert.deepEqual(
        await db.getMany([b, missing, a]),
        new Map([
          [b, null],
          [a, 1],
        ]),
      );
    });

    test('asks once for keys given twice, and takes any iterable', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.upsert(key, 'v');
      function* keys(): Generator<string> {
        for (let i = 0; i < 50; i += 1) yield key;
      }
      assert.deepEqual(await db.getMany(keys()), new Map([[key, 'v']]));
      for (const bad of ['abc', undefined, null, 1, {}, { length: 1, 0: 'a' }]) {
        assert.throws(() => db.getMany(bad as unknown as string[]), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      }
    });

    test('of a thousand keys', async () => {
      await using db = await site.open();
      const keys = Array.from({ length: 1000 }, () => site.key());
      await Promise.all(keys.map((key, i) => (i % 3 === 0 ? undefined : db.upsert(key, i))));
      const found = await db.getMany<number>(keys);
      for (const [i, key] of keys.entries()) assert.equal(found.get(key), i % 3 === 0 ? undefined : i);
      assert.equal(found.size, 666);
    });

    test('of a hundred thousand keys', async () => {
      await using db = await site.open({ timeout: 60_000 });
      const keys = Array.from({ length: 100_000 }, (_, i) => `many:${i}`);
      await Promise.all(keys.map((key, i) => db.upsert(key, i)));
      const found = await db.getMany<number>(keys);
      assert.equal(found.size, 100_000);
      for (const [i, key] of keys.entries()) assert.equal(found.get(key), i);
    });

    test('of more keys than there is room for fetches them one after the other', async () => {
      await using writer = await site.open();
      const keys = Array.from({ length: 3000 }, () => site.key());
      await Promise.all(keys.map((key, i) => writer.upsert(key, i)));
      for (const [maxInFlight, maxQueued] of [
        [1, 0],
        [1, 1],
        [3, 2],
        [64, 0],
        [1024, 0],
        [1000, 500],
      ] as const) {
        await using db = await site.open({ maxInFlight, maxQueued, timeout: 10_000 });
        const found = await db.getMany<number>(keys);
        assert.equal(found.size, 3000, `maxInFlight ${maxInFlight}, maxQueued ${maxQueued}`);
      }
    });

    test('of more keys than there is room for, several at once, all finish', async () => {
      await using db = await site.open({ maxInFlight: 4, maxQueued: 4, timeout: 10_000 });
      const keys = Array.from({ length: 200 }, () => site.key());
      const results = await Promise.allSettled([1, 2, 3].map(() => db.getMany(keys)));
      const [first] = results;
      assert.equal(first?.status, 'fulfilled');
      for (const each of results) {
        if (each.status === 'rejected') assert.equal(each.reason.code, 'EVENKEEL_BACKPRESSURE');
      }
    });
  },
  BOTH_PROTOCOLS,
);

inBothProtocols('getMany', (bases) => {
  test('a bad key anywhere throws from the call and asks for nothing', async () => {
    await using pair = await startPair(bases, {}, { record: true });
    for (const keys of [
      ['', 'a'],
      ['a', 'b', ''],
      ['a', 'k'.repeat(251), 'd'],
      ['a', 1 as unknown as string],
    ]) {
      assert.throws(() => pair.db.getMany(keys), { code: 'EVENKEEL_INVALID_ARGUMENT' });
    }
    assert.equal(await pair.db.exists('last'), false);
    const commands = await pair.server.commands();
    assert.deepEqual(
      commands.filter(({ key }) => key.length > 0).map(({ key }) => key.toString()),
      ['last'],
    );
  });

  test('leaves in one run of bytes', async () => {
    await using pair = await startPair(bases);
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    assert.equal(await writesDuring(bases.base, () => pair.db.getMany(keys)), 1);
  });

  test('rejects with the error of the one that fails, and the client goes on', async () => {
    await using pair = await startPair(bases);
    await pair.server.fault({ key: 'bad', action: { kind: 'status', status: 0x84 } });
    await pair.db.upsert('good', 1);
    await assert.rejects(pair.db.getMany(['good', 'bad', 'good2']), {
      code: 'EVENKEEL_SERVER',
      context: { op: 'get', key: 'bad', node: `127.0.0.1:${pair.server.port}`, attempts: 1, status: 0x84 },
    });
    assert.deepEqual(await pair.db.getMany(['good']), new Map([['good', 1]]));
  });

  test('has one deadline for all its keys, counted from the call', async () => {
    await using pair = await startPair(bases, { maxInFlight: 1, maxQueued: 0, silenceTimeout: 10_000 });
    await pair.server.fault({ opcode: 'get', action: { kind: 'delay', ms: 40 } });
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
    await assert.rejects(pair.db.getMany(keys, { timeout: 100 }), { code: 'EVENKEEL_TIMEOUT' });
  });

  test('of more keys than there is room for finishes while the database closes', async () => {
    const pair = await startPair(bases, { maxInFlight: 2, maxQueued: 0 });
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const many = pair.db.getMany(keys);
    const [found] = await Promise.all([many, pair.db.close()]);
    assert.deepEqual(found, new Map());
    await pair[Symbol.asyncDispose]();
  });

  test('of more keys than there is room for needs one flush only', async () => {
    await using pair = await startPair(bases, { maxInFlight: 2, maxQueued: 0, implicitFlush: false });
    const many = pair.db.getMany(Array.from({ length: 20 }, (_, i) => `k${i}`));
    pair.db.flush();
    assert.deepEqual(await many, new Map());
  });

  test('with a signal that aborts rejects with its reason at once', async () => {
    await using pair = await startPair(bases);
    const hang = await pair.server.fault({ key: 'k2', action: { kind: 'hang' } });
    const controller = new AbortController();
    const many = pair.db.getMany(['k1', 'k2', 'k3'], { signal: controller.signal });
    const reason = new Error('enough');
    await hang.waitForHits();
    controller.abort(reason);
    await assert.rejects(many, reason);
  });

  test('with partial resolves to what could be had, and the errors by key', async () => {
    await using pair = await startPair(bases);
    await pair.server.fault({ key: 'bad', action: { kind: 'status', status: 0x84 } });
    await Promise.all([pair.db.upsert('good', 1), pair.db.upsert('other', null)]);
    const { values, errors } = await pair.db.getMany(['good', 'bad', 'missing', 'other'], { partial: true });
    assert.deepEqual(
      values,
      new Map([
        ['good', 1],
        ['other', null],
      ]),
    );
    assert.deepEqual([...errors.keys()], ['bad']);
    const error = errors.get('bad');
    assert.equal(error?.code, 'EVENKEEL_SERVER');
    assert.deepEqual(error.context, {
      op: 'get',
      key: 'bad',
      node: `127.0.0.1:${pair.server.port}`,
      attempts: 1,
      status: 0x84,
    });
    assert.deepEqual(await pair.db.getMany([], { partial: true }), { values: new Map(), errors: new Map() });
  });

  test('with partial has a TimeoutError for each key that was not answered in time', async () => {
    await using pair = await startPair(bases, { maxInFlight: 4, maxQueued: 0, silenceTimeout: 10_000 });
    await Promise.all(['k0', 'k1'].map((key) => pair.db.upsert(key, key)));
    await pair.server.fault({ key: 'never', action: { kind: 'hang' } });
    const keys = ['k0', 'k1', 'never', ...Array.from({ length: 8 }, (_, i) => `behind:${i}`)];
    const { values, errors } = await pair.db.getMany(keys, { partial: true, timeout: 200 });
    assert.ok(errors.has('never'));
    for (const [key, value] of values) assert.equal(value, key);
    for (const error of errors.values()) assert.equal(error.code, 'EVENKEEL_TIMEOUT');
  });

  test('with partial in a context has errors by key, and rejects when the context fails', async () => {
    await using pair = await startPair(bases);
    await pair.db.upsert('good', 1);
    await pair.server.fault({ key: 'bad', action: { kind: 'status', status: 0x84 } });
    const [found] = await pair.db.schedule((ctx) => [
      ctx.getMany<number>(['good', 'bad'], { partial: true }),
    ]);
    assert.deepEqual(found.values, new Map([['good', 1]]));
    assert.deepEqual([...found.errors.keys()], ['bad']);
    const ctx = pair.db.enter();
    const discarded = ctx.getMany(['good'], { partial: true });
    ctx.fail();
    await assert.rejects(discarded, { code: 'EVENKEEL_DISCARDED' });
  });

  test('with partial rejects for a signal, and is refused for what is no flag', async () => {
    await using pair = await startPair(bases);
    const hang = await pair.server.fault({ key: 'never', action: { kind: 'hang' } });
    const controller = new AbortController();
    const many = pair.db.getMany(['k', 'never'], { partial: true, signal: controller.signal });
    await hang.waitForHits();
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(many, reason);
    const isNoFlag = { code: 'EVENKEEL_INVALID_ARGUMENT', context: { argument: 'partial' } };
    assert.throws(() => pair.db.getMany(['k'], { partial: 1 as unknown as true }), isNoFlag);
    assert.throws(() => pair.db.getMany(['k'], { partial: null as unknown as true }), isNoFlag);
  });

  test('with partial makes whatever a transcoder throws an error of the key', async () => {
    const decode = (): never => {
      throw 'no error'; // as user code may
    };
    await using pair = await startPair(bases, {
      transcoder: { encode: (value) => ({ data: String(value), flags: 0 }), decode },
    });
    await pair.db.upsert('k', 1);
    const { errors } = await pair.db.getMany(['k', 'missing'], { partial: true });
    assert.deepEqual([...errors.keys()], ['k']);
    assert.equal(errors.get('k')?.code, 'EVENKEEL_DECODE');
    assert.equal(errors.get('k')?.cause, 'no error');
  });

  test('with partial has a ClosedError for each key that the end of the database met', async () => {
    const pair = await startPair(bases, { maxInFlight: 2, maxQueued: 0, silenceTimeout: 10_000 });
    await pair.server.fault({ opcode: 'get', action: { kind: 'hang' } });
    const many = pair.db.getMany(
      Array.from({ length: 5 }, (_, i) => `k${i}`),
      { partial: true },
    );
    await pair.db.close({ timeout: 1 });
    const { values, errors } = await many;
    assert.equal(values.size, 0);
    assert.equal(errors.size, 5);
    for (const error of errors.values()) assert.equal(error.code, 'EVENKEEL_CLOSED');
    await pair[Symbol.asyncDispose]();
  });
});
