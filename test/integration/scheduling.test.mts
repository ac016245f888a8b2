import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { BackpressureError, ClosedError, DiscardedError } from '../../lib/errors.ts';
import type { SchedulingContext } from '../../lib/scheduling/context.ts';
import type { TestServer } from '../../lib/testing/index.ts';
import { takes } from '../loop-time.mts';
import { onBothBases, outcomes, startPair, until } from './harness.mts';
import { keysSent, writesDuring } from './wire.mts';

const RECORD = { record: true };

onBothBases('a scheduling context', (bases) => {
  test('keeps everything until leave, which sends all of it in one run of bytes', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const { db, server } = pair;
    const context = db.enter();
    const promises = [
      context.upsert('a', 1),
      context.get('a'),
      context.insert('b', Buffer.alloc(2000)),
      context.getRecord('a'),
      context.exists('b'),
      context.increment('c', { initial: 1 }),
      context.decrement('c'),
      context.append('b', 'x'),
      context.prepend('b', 'x'),
      context.replace('a', 2),
      context.touch('a', { ttl: 5 }),
      context.getAndTouch('a', { ttl: 5 }),
      context.getMany(['a', 'c']),
      context.remove('a'),
    ];
    assert.equal(context.size, 15);
    await setImmediate();
    await db.get('outside');
    assert.deepEqual(await keysSent(server), ['outside']);
    const writes = await writesDuring(bases.base, async () => {
      context.leave();
      assert.deepEqual(
        await outcomes(promises),
        promises.map(() => 'ok'),
      );
    });
    assert.equal(writes, 1);
    assert.deepEqual(await keysSent(server), ['outside', ...'aababccbbaaaaca']);
    assert.equal(context.size, 0);
  });

  test('testBasicContext: twenty operations are staged and leave together, in their order', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const context = pair.db.enter();
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const gets = keys.map((key) => context.get(key));
    const writes = await writesDuring(bases.base, () => {
      context.leave();
      return Promise.all(gets);
    });
    assert.equal(writes, 1);
    assert.deepEqual(await keysSent(pair.server), keys);
  });

  test('testFailedContext: twenty operations that fail leave no byte behind', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const { db, server } = pair;
    const context = db.enter();
    const writes = Array.from({ length: 20 }, (_, i) => context.upsert(`k${i}`, i));
    const many = context.getMany(['a', 'b']);
    context.fail();
    for (const each of [...writes, many]) await assert.rejects(each, DiscardedError);
    assert.equal(await db.exists('k0'), false);
    assert.deepEqual(await keysSent(server), ['k0']);
  });

  test('testSched: five operations outside and one that fails inside settle exactly those', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const { db, server } = pair;
    const outside = Array.from({ length: 5 }, (_, i) => db.upsert(`outside${i}`, i));
    const context = db.enter();
    const inside = context.upsert('inside', 1);
    assert.deepEqual(await outcomes(outside), ['ok', 'ok', 'ok', 'ok', 'ok']);
    context.fail();
    await assert.rejects(inside, DiscardedError);
    assert.equal(await db.exists('inside'), false);
    assert.equal((await keysSent(server)).length, 6);
  });

  test('testEmptyCtx: leaving and failing with nothing staged, twice, or one after the other, is harmless', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const { db, server } = pair;
    for (const ends of [
      ['leave', 'leave'],
      ['fail', 'fail'],
      ['leave', 'fail'],
      ['fail', 'leave'],
    ] as const) {
      const empty = db.enter();
      const full = db.enter();
      const got = full.get(ends[0]);
      for (const end of ends) {
        empty[end]();
        full[end]();
      }
      assert.deepEqual(await outcomes([got]), [ends[0] === 'leave' ? 'ok' : 'EVENKEEL_DISCARDED']);
      assert.throws(() => full.get('late'), ClosedError);
      assert.throws(() => full.getMany(['late']), ClosedError);
    }
    assert.deepEqual(await keysSent(server), ['leave', 'leave']);
  });

  test('is independent of the others, and of the awaits between its calls', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const { db, server } = pair;
    const [one, two, three] = [db.enter(), db.enter(), db.enter()];
    const gets: Promise<unknown>[] = [];
    for (let i = 0; i < 5; i += 1) {
      gets.push(one.get(`one${i}`));
      await setImmediate();
      gets.push(two.get(`two${i}`));
      three.get(`three${i}`).catch(() => {});
      await db.get(`outside${i}`);
    }
    three.fail();
    two.leave();
    await setImmediate();
    one.leave();
    await Promise.all(gets);
    const numbered = (name: string): string[] => Array.from({ length: 5 }, (_, i) => name + i);
    assert.deepEqual(await keysSent(server), ['outside', 'two', 'one'].flatMap(numbered));
  });

  test('a call that throws stages nothing, and what was staged stays', async () => {
    await using pair = await startPair(bases, { maxValueSize: 100 }, RECORD);
    const { db, server } = pair;
    for (const end of ['leave', 'fail'] as const) {
      const context = db.enter();
      const staged = context.upsert(end, 'staged');
      assert.throws(() => context.get('bad key'), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      assert.throws(() => context.getMany(['good', '']), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      assert.throws(() => context.upsert('k', 'x'.repeat(101)), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      assert.throws(() => context.upsert('k', undefined), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      assert.throws(() => context.upsert('k', 1, { ttl: -1 }), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      assert.throws(() => context.increment('k', { delta: -1 }), { code: 'EVENKEEL_INVALID_ARGUMENT' });
      assert.equal(context.size, 1);
      context[end]();
      assert.deepEqual(await outcomes([staged]), [end === 'leave' ? 'ok' : 'EVENKEEL_DISCARDED']);
    }
    assert.deepEqual(await keysSent(server), ['leave']);
  });

  test('keeps the bytes of the call, whatever becomes of the memory before leave', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    for (const size of [8, 40_000]) {
      const scratch = Buffer.alloc(size, 1);
      const moved = new Uint8Array(size).fill(3);
      const context = db.enter();
      const writes = [context.upsert('first', scratch)];
      scratch.fill(2);
      writes.push(context.upsert('second', scratch), context.upsert('moved', moved));
      structuredClone(moved.buffer, { transfer: [moved.buffer] });
      scratch.fill(0);
      context.leave();
      await Promise.all(writes);
      assert.deepEqual(
        [...(await db.getMany(['first', 'second', 'moved'])).values()],
        [Buffer.alloc(size, 1), Buffer.alloc(size, 2), Buffer.alloc(size, 3)],
      );
    }
  });

  test('deadlines count from leave', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    const context = db.enter();
    const got = context.get('k', { timeout: 50 });
    const many = context.getMany(['a', 'b'], { timeout: 50 });
    const start = performance.now();
    await until(() => performance.now() - start > 150);
    context.leave();
    assert.deepEqual(await outcomes([got, many]), ['ok', 'ok']);
  });

  test('an operation left behind a server that does not answer times out, counted from leave', async () => {
    await using pair = await startPair(bases);
    await pair.server.pause();
    await takes(bases.base, 59, 260, async () => {
      const context = pair.db.enter();
      const staged = [context.upsert('a', 1, { timeout: 60 }), context.get('b', { timeout: 60 })];
      context.leave();
      assert.deepEqual(await outcomes(staged), ['EVENKEEL_TIMEOUT', 'EVENKEEL_TIMEOUT']);
    });
  });

  test('beyond the limits rejects all of it and sends none of it', async () => {
    await using pair = await startPair(bases, { maxInFlight: 3, maxQueued: 1 }, RECORD);
    const { db, server } = pair;
    const context = db.enter();
    const refused = [context.upsert('a', 1), context.getMany(['b', 'c', 'd']), context.get('e')];
    context.leave();
    const node = server.url.replace('memcached://', '');
    for (const [i, op] of ['upsert', 'getMany', 'get'].entries())
      await assert.rejects(refused[i] as Promise<unknown>, {
        code: 'EVENKEEL_BACKPRESSURE',
        context: { op, node },
      });
    assert.deepEqual(await keysSent(server), []);

    const hang = await server.fault({ key: 'hung', action: { kind: 'hang', later: 'answer' } });
    const hung = [db.get('hung'), db.get('hung')];
    await hang.waitForHits(2);
    const [fits, exceeds] = [db.enter(), db.enter()];
    const sent = [fits.get('f1'), fits.get('f2')];
    const kept = [exceeds.get('x1'), exceeds.get('x2'), exceeds.get('x3')];
    exceeds.leave();
    fits.leave();
    assert.deepEqual(await outcomes(sent), ['ok', 'ok']);
    for (const each of kept) await assert.rejects(each, BackpressureError);
    assert.deepEqual(await keysSent(server), ['hung', 'hung', 'f1', 'f2']);
    for (const each of hung) each.catch(() => {});
  });

  test('beyond maxQueuedBytes rejects all of it and sends none of it', async () => {
    await using pair = await startPair(bases, { maxQueuedBytes: 10_000 }, RECORD);
    const { db, server } = pair;
    const context = db.enter();
    const refused = [
      context.upsert('a', 'x'.repeat(6000)),
      context.upsert('b', Buffer.alloc(6000)),
      context.getMany(['c', 'd']),
    ];
    context.leave();
    for (const each of refused) await assert.rejects(each, BackpressureError);
    assert.deepEqual(await keysSent(server), []);
    const fits = db.enter();
    const sent = [
      fits.upsert('e', 'x'.repeat(6000)),
      fits.upsert('f', Buffer.alloc(3000)),
      fits.getMany(['g']),
    ];
    fits.leave();
    assert.deepEqual(await outcomes(sent), ['ok', 'ok', 'ok']);
    assert.deepEqual(await keysSent(server), ['e', 'f', 'g']);
  });

  test('an operation that is aborted while staged leaves the context, the others go on', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const { db, server } = pair;
    const controller = new AbortController();
    const { signal } = controller;
    const context = db.enter();
    const aborted = [context.upsert('a', 1, { signal }), context.getMany(['b', 'c'], { signal })];
    const stays = context.upsert('d', 1);
    assert.equal(context.size, 4);
    const reason = new Error('changed my mind');
    controller.abort(reason);
    assert.equal(context.size, 1);
    for (const each of aborted) await assert.rejects(each, reason);
    const late = [context.get('e', { signal }), context.getMany(['f'], { signal })];
    for (const each of late) await assert.rejects(each, reason);
    assert.equal(context.size, 1);
    context.leave();
    await stays;
    assert.deepEqual(await keysSent(server), ['d']);
  });

  test('an operation that is aborted after leave rejects as any other', async () => {
    await using pair = await startPair(bases);
    await pair.server.pause();
    const controller = new AbortController();
    const context = pair.db.enter();
    const got = context.get('a', { signal: controller.signal });
    context.leave();
    controller.abort();
    await assert.rejects(got, { name: 'AbortError' });
  });

  test('what is discarded need not be caught', async () => {
    await using pair = await startPair(bases, { maxInFlight: 1, maxQueued: 0 });
    const { db } = pair;
    const failed = db.enter();
    void failed.get('a');
    void failed.getMany(['b']);
    failed.fail();
    const refused = db.enter();
    void refused.get('a');
    void refused.getMany(['b']);
    refused.leave();
    await setImmediate();
    assert.equal(await db.get('a'), undefined);
  });

  test('left after the database was closed it rejects with ClosedError', async () => {
    const pair = await startPair(bases, {}, RECORD);
    const { db, server } = pair;
    const context = db.enter();
    const staged = [context.upsert('a', 1), context.getMany(['a'])];
    await db.close();
    assert.throws(() => context.get('b'), ClosedError);
    context.leave();
    for (const each of staged) await assert.rejects(each, ClosedError);
    assert.throws(() => db.enter().get('b'), ClosedError);
    assert.deepEqual(await keysSent(server), []);
    await pair[Symbol.asyncDispose]();
  });

  test('left after its event base was closed it rejects with ClosedError', async () => {
    const pair = await startPair(bases);
    const context = pair.db.enter();
    const staged = [context.upsert('a', 1), context.getMany(['a'])];
    await bases.base.close();
    context.leave();
    for (const each of staged) await assert.rejects(each, ClosedError);
    await pair[Symbol.asyncDispose]();
  });
});

onBothBases('a context whose connection', (bases) => {
  for (const [change, make] of [
    ['is lost', (server: TestServer) => server.disconnectAll({ reset: true })],
    ['is lost with the server, which comes back', (server: TestServer) => server.restart({ keepData: true })],
  ] as const) {
    test(`${change} between enter and leave loses nothing and sends everything once`, async () => {
      await using pair = await startPair(bases, { backoff: { min: 1, max: 5 } }, RECORD);
      const { db, server } = pair;
      const context = db.enter();
      const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
      const writes = keys.map((key, i) => context.upsert(key, i));
      await make(server);
      await server.waitForConnections(1); // the client has noticed, and is back
      const count = context.increment('counter', { initial: 1n });
      context.leave();
      assert.deepEqual(
        await outcomes(writes),
        keys.map(() => 'ok'),
      );
      assert.equal(await count, 1n);
      assert.deepEqual(await keysSent(server), [...keys, 'counter']);
    });
  }
});

onBothBases('schedule()', (bases) => {
  test('leaves when the function returns, and resolves to the results of what it returned', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    await db.upsert('a', 'A');
    const [a, b, seven] = await db.schedule((ctx) => [ctx.get('a'), ctx.upsert('b', 2), 7] as const);
    assert.deepEqual([a, seven], ['A', 7]);
    assert.ok(b.cas > 0n);
    assert.equal(await db.schedule((ctx) => ctx.get('b')), 2);
    assert.equal(await db.schedule(() => undefined), undefined);
    assert.deepEqual(await db.schedule((ctx) => ({ got: ctx.get('a') })).then(({ got }) => got), 'A');
    const gets = (ctx: SchedulingContext) => Array.from({ length: 200 }, (_, i) => ctx.get(`k${i}`));
    assert.equal(await writesDuring(bases.base, () => db.schedule(gets)), 1);
  });

  test('discards everything when the function throws, and rejects with what it threw', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const failure = new Error('no');
    await assert.rejects(
      pair.db.schedule((ctx) => {
        void ctx.upsert('a', 1);
        void ctx.getMany(['a', 'b']);
        throw failure;
      }),
      failure,
    );
    await assert.rejects(
      pair.db.schedule((ctx) => [ctx.upsert('a', 1), ctx.get('')]),
      { code: 'EVENKEEL_INVALID_ARGUMENT' },
    );
    assert.deepEqual(await keysSent(pair.server), []);
  });

  test('leaves at the first await of an async function, whose later operations throw', async () => {
    await using pair = await startPair(bases, {}, RECORD);
    const scheduled = pair.db.schedule(async (ctx) => {
      await ctx.upsert('before', 1);
      await ctx.upsert('after', 1);
    });
    await assert.rejects(scheduled, ClosedError);
    assert.deepEqual(await keysSent(pair.server), ['before']);
  });

  test('rejects with the error of the operation that failed', async () => {
    await using pair = await startPair(bases);
    await pair.db.upsert('a', 1);
    await assert.rejects(
      pair.db.schedule((ctx) => [ctx.get('a'), ctx.insert('a', 2), ctx.replace('b', 1)]),
      { code: 'EVENKEEL_KEY_EXISTS' },
    );
  });

  test('on a closed database rejects with ClosedError', async () => {
    const pair = await startPair(bases);
    await pair.db.close();
    await assert.rejects(
      pair.db.schedule((ctx) => ctx.get('a')),
      ClosedError,
    );
    await pair[Symbol.asyncDispose]();
  });
});
