import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Database } from '../../lib/database.ts';
import { TimeoutError } from '../../lib/errors.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';
import { type Bases, inBothProtocols, outcomes, startPair } from './harness.mts';
import { keysSent, writesDuring } from './wire.mts';

const RECORD = { record: true };

/** Round trips of another client: whatever the first one was going to send by itself has arrived by then. */
async function turnAround(bases: Bases, server: TestServer): Promise<void> {
  await using other = await bases.connect(server.url);
  for (let i = 0; i < 5; i += 1) {
    await setImmediate();
    await other.get('other');
  }
}

async function keysOf(db: Database, bases: Bases, server: TestServer): Promise<string[]> {
  assert.equal(db.closed, false);
  await turnAround(bases, server);
  return (await keysSent(server)).filter((key) => key !== 'other');
}

inBothProtocols('implicitFlush: true', (bases) => {
  test('the operations of one tick leave in one run of bytes', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    const gets = () => Promise.all(Array.from({ length: 200 }, (_, i) => db.get(`k${i}`)));
    assert.equal(await writesDuring(bases.base, gets), 1);
    const mixed = () => Promise.all([db.upsert('a', 1), db.get('a'), db.getMany(['b', 'c']), db.remove('a')]);
    assert.equal(await writesDuring(bases.base, mixed), 1);
  });

  test('testOpFromCallback: operations started where others end are sent and answered', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    const reached = await db
      .upsert('a', 1)
      .then(() => db.get<number>('a'))
      .then((a) => db.schedule((ctx) => [ctx.upsert('b', a), ctx.get('b')]))
      .then(([, b]) => db.getMany(['a', 'b']).then((many) => [b, many.size]));
    assert.deepEqual(reached, [1, 2]);
    const chains = Array.from({ length: 100 }, async (_, i) => {
      for (let round = 0; round < 10; round += 1) await db.upsert(`k${i}`, round);
      return db.get(`k${i}`);
    });
    assert.deepEqual(await Promise.all(chains), Array(100).fill(9));
  });
});

inBothProtocols('implicitFlush: false', (bases) => {
  test('nothing is written until flush(), and then all of it at once', async () => {
    await using pair = await startPair(bases, { implicitFlush: false }, RECORD);
    const { db, server } = pair;
    const writes = [db.upsert('a', 1)];
    assert.deepEqual(await keysOf(db, bases, server), []);
    writes.push(db.upsert('b', 2));
    const context = db.enter();
    writes.push(context.upsert('c', 3));
    context.leave();
    assert.deepEqual(await keysOf(db, bases, server), []);
    const flushed = await writesDuring(bases.base, async () => {
      db.flush();
      assert.deepEqual(await outcomes(writes), ['ok', 'ok', 'ok']);
    });
    assert.equal(flushed, 1);
    assert.deepEqual((await keysSent(server)).slice(-3), ['a', 'b', 'c']);
  });

  test('flush() in the same tick takes what was called before it', async () => {
    await using pair = await startPair(bases, { implicitFlush: false }, RECORD);
    const { db, server } = pair;
    const before = db.get('before');
    db.flush();
    const after = db.get('after');
    await before;
    assert.deepEqual(await keysOf(db, bases, server), ['before']);
    db.flush();
    await after;
  });

  test('deadlines pass nevertheless, and what has passed is not sent by a later flush', async () => {
    await using pair = await startPair(bases, { implicitFlush: false }, RECORD);
    const { db, server } = pair;
    const late = db.upsert('late', 1, { timeout: 40 });
    await assert.rejects(late, (error) => error instanceof TimeoutError && !error.ambiguous);
    db.flush();
    assert.deepEqual(await keysOf(db, bases, server), []);
  });

  test('what was flushed and lost with its connection is sent again without another flush', async () => {
    await using pair = await startPair(bases, { implicitFlush: false, backoff: { min: 1, max: 1 } }, RECORD);
    const { db, server } = pair;
    await server.fault({ key: 'k', times: 1, action: { kind: 'reset' } });
    const got = db.get('k');
    db.flush();
    const held = db.get('held');
    assert.equal(await got, undefined);
    assert.deepEqual(await keysOf(db, bases, server), ['k', 'k']);
    db.flush();
    assert.equal(await held, undefined);
  });

  test('close() writes what waits for a flush', async () => {
    const pair = await startPair(bases, { implicitFlush: false }, RECORD);
    const written = pair.db.upsert('k', 1);
    const [outcome] = await Promise.all([outcomes([written]), pair.db.close()]);
    assert.deepEqual(outcome, ['ok']);
    assert.deepEqual(await keysSent(pair.server), ['k']);
    await pair[Symbol.asyncDispose]();
  });
});

inBothProtocols('before the connection exists', (bases) => {
  const operations: [
    name: string,
    call: (db: Database) => Promise<unknown>,
    result: (value: unknown) => boolean,
  ][] = [
    ['Increment', (db) => db.increment('n', { initial: 5 }), (value) => value === 5n],
    ['Exists', (db) => db.exists('k'), (value) => value === false],
    ['Get', (db) => db.get('k'), (value) => value === undefined],
    ['Remove', (db) => db.remove('k'), (value) => value === false],
    ['Store', (db) => db.upsert('s', 1), (value) => typeof value === 'object'],
    ['GetMany', (db) => db.getMany(['k', 'l']), (value) => value instanceof Map],
    ['Context', (db) => db.schedule((ctx) => [ctx.get('k')]), (value) => Array.isArray(value)],
  ];
  for (const [name, call, isRight] of operations) {
    test(`testSchedule${name}BeforeConnection: settles exactly once, after it`, async () => {
      await using server = await startServer({ record: true });
      const refuse = await server.fault({ on: 'connect', action: { kind: 'refuse' } });
      await using db = await bases.connect(server.url, { lazy: true, backoff: { min: 1, max: 5 } });
      let settled = 0;
      const outcome = call(db).then((value) => {
        settled += 1;
        return value;
      });
      for (let i = 0; i < 5; i += 1) await setImmediate();
      assert.equal(settled, 0);
      await refuse.remove();
      assert.ok(isRight(await outcome));
      assert.equal(settled, 1);
      assert.equal(new Set(await keysSent(server)).size, (await keysSent(server)).length);
    });
  }

  test('each waits within its own deadline', async () => {
    await using server = await startServer();
    await server.stop();
    await using db = await bases.connect(server.url, { lazy: true, backoff: { min: 1, max: 5 } });
    await assert.rejects(db.upsert('k', 1, { timeout: 50 }), (error) => {
      return (
        error instanceof TimeoutError &&
        !error.ambiguous &&
        /not connected: .*ECONNREFUSED/.test(error.message)
      );
    });
  });

  test('with offlineQueue: false they reject at once', async () => {
    await using server = await startServer();
    await server.stop();
    await using db = await bases.connect(server.url, { lazy: true, offlineQueue: false });
    await assert.rejects(db.get('k'), { code: 'EVENKEEL_CONNECTION', retryable: true, ambiguous: false });
    await assert.rejects(db.getMany(['k', 'l']), { code: 'EVENKEEL_CONNECTION' });
  });
});
