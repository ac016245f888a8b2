import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClosedError, KeyNotFoundError } from '../../lib/errors.ts';
import { EventBase } from '../../lib/event-base/event-base.ts';
import { loadAddon } from '../../lib/native/load.ts';
import { startServer } from '../../lib/testing/index.ts';
import { everywhere, inBothProtocols, nothingIsLeft, outcomes, startPair } from './harness.mts';

everywhere('close()', (site) => {
  test('lets what is under way finish, and nothing native is left of it', async () => {
    const db = await site.open();
    const keys = Array.from({ length: 1000 }, () => site.key());
    const large = Buffer.alloc(100_000, 1);
    const writes = keys.map((key, i) => db.upsert(key, i % 10 === 0 ? large : i));
    const reads = keys.map((key) => db.get(key));
    assert.ok(loadAddon().counters().pipelines > 0);
    await db.close();
    assert.deepEqual(new Set(await outcomes([...writes, ...reads])), new Set(['ok']));
    await nothingIsLeft();
  });

  test('lets an append finish that needs another look at its record', async () => {
    const db = await site.open();
    const ended = assert.rejects(db.append(site.key(), 'x'), KeyNotFoundError);
    await db.close();
    await ended;
  });

  test('may be called again, and refuses every operation from the first call on', async () => {
    const db = await site.open();
    assert.equal(db.closed, false);
    const context = db.enter();
    const closing = db.close();
    assert.equal(db.closed, true);
    for (const call of [
      () => db.get('k'),
      () => db.getMany(['k']),
      () => db.upsert('k', 1),
      () => db.increment('k'),
      () => db.touch('k', { ttl: 1 }),
      () => context.get('k'),
      () => context.getMany(['k']),
      () => db.enter().remove('k'),
      () => db.via(site.base),
    ]) {
      assert.throws(call, (error) => error instanceof ClosedError && !error.retryable);
    }
    await assert.rejects(
      db.schedule((ctx) => ctx.get('k')),
      ClosedError,
    );
    await assert.rejects(db.version(), ClosedError);
    db.flush();
    await Promise.all([closing, db.close(), db.close({ timeout: 1 }), db[Symbol.asyncDispose]()]);
    assert.throws(() => db.get('k'), ClosedError);
    db.flush();
    context.leave();
    await db.close();
  });

  test('closes the views on other bases too', async () => {
    const db = await site.open();
    await using io = EventBase.create();
    const view = db.via(io);
    assert.equal(db.via(io), view);
    assert.equal(db.via(site.base), db);
    const key = site.key();
    await view.upsert(key, 1);
    assert.equal(await db.get(key), 1);
    await db.close();
    assert.throws(() => view.get(key), ClosedError);
  });

  test('thousands of clients come and go and leave nothing behind', async () => {
    for (let round = 0; round < 20; round += 1) {
      const databases = await Promise.all(Array.from({ length: 25 }, () => site.open()));
      const gets = databases.map((db) => db.get('k'));
      await Promise.all(databases.map((db) => db.close()));
      assert.deepEqual(new Set(await outcomes(gets)), new Set(['ok']));
    }
    await nothingIsLeft();
  });
});

inBothProtocols('close()', (bases) => {
  test('rejects what is not answered in time with ClosedError, ambiguous for written mutations', async () => {
    await using pair = await startPair(bases, { timeout: 10_000 });
    const { db, server } = pair;
    const hang = await server.fault({ action: { kind: 'hang' } });
    const ended = Promise.allSettled([db.get('k'), db.upsert('k', 1)]);
    await hang.waitForHits();
    let isLate = false;
    using _ = bases.base.timer(1000, () => {
      isLate = true;
    });
    await db.close({ timeout: 50 });
    for (const [i, each] of (await ended).entries()) {
      const { reason } = each as PromiseRejectedResult;
      assert.ok(reason instanceof ClosedError);
      assert.equal(reason.ambiguous, i === 1);
    }
    assert.equal(isLate, false);
    await nothingIsLeft();
  });

  test('refuses a bad timeout without closing', async () => {
    await using pair = await startPair(bases);
    for (const timeout of [0, -1, Number.NaN, '1', null]) {
      assert.throws(() => pair.db.close({ timeout: timeout as number }), {
        code: 'EVENKEEL_INVALID_ARGUMENT',
      });
    }
    assert.equal(pair.db.closed, false);
    assert.equal(await pair.db.get('k'), undefined);
  });

  test('during connect ends the attempt and what waits for it', async () => {
    await using server = await startServer();
    await server.fault({ on: 'connect', action: { kind: 'silent' } });
    const db = await bases.connect(server.url, { lazy: true });
    const ended = outcomes([db.get('a'), db.upsert('b', 1), db.getMany(['c', 'd']), db.version()]);
    await server.waitForConnections(1);
    await db.close({ timeout: 20 });
    assert.deepEqual(new Set(await ended), new Set(['EVENKEEL_CLOSED']));
    await server.waitForConnections(0);
  });

  test('before the first attempt to connect has ended lets what waits for it finish', async () => {
    await using server = await startServer();
    for (const url of [server.url, `memcached://localhost:${server.port}`]) {
      const db = await bases.connect(url, { lazy: true });
      const ended = outcomes([db.get('a'), db.upsert('b', 1)]);
      await db.close();
      assert.deepEqual(await ended, ['ok', 'ok']);
      const idle = await bases.connect(url, { lazy: true });
      await idle.close();
    }
    await server.waitForConnections(0);
  });

  test('the end of the connection is seen by the server', async () => {
    const pair = await startPair(bases);
    assert.equal(await pair.server.connections(), 1);
    await pair.db.close();
    await pair.server.waitForConnections(0);
    await pair.server.close();
  });
});

inBothProtocols('closing the event base', (bases) => {
  test('rejects what is under way on it with ClosedError, and close() of the database still resolves', async () => {
    await using pair = await startPair(bases);
    await pair.server.pause();
    const { db } = pair;
    const ended = outcomes([db.get('a'), db.upsert('b', 1), db.getMany(['c', 'd'])]);
    await bases.base.close();
    assert.deepEqual(await ended, ['EVENKEEL_CLOSED', 'EVENKEEL_CLOSED', 'EVENKEEL_CLOSED']);
    assert.throws(() => db.get('a'), ClosedError);
    await db.close();
    await nothingIsLeft(['bases', 'threads']);
  });

  test('is ambiguous for the mutations that were written, and for no other operation', async () => {
    await using pair = await startPair(bases, { maxInFlight: 2 });
    const { db, server } = pair;
    const hang = await server.fault({ action: { kind: 'hang' } });
    const calls = [db.upsert('written', 1), db.get('read'), db.upsert('queued', 1)];
    await hang.waitForHits();
    calls.push(db.upsert('staged', 1));
    const ended = Promise.allSettled(calls);
    await bases.base.close();
    for (const [i, each] of (await ended).entries()) {
      const { reason } = each as PromiseRejectedResult;
      assert.ok(reason instanceof ClosedError);
      assert.match(reason.message, /its event base was closed/);
      assert.equal(reason.ambiguous, i === 0, reason.context.key);
    }
    await db.close();
    await nothingIsLeft(['bases', 'threads']);
  });

  test('during connect() rejects it with ClosedError, by address and by name', async () => {
    await using server = await startServer();
    await server.fault({ on: 'connect', action: { kind: 'silent' } });
    for (const url of [server.url, `memcached://localhost:${server.port}`]) {
      const rejected = assert.rejects(bases.connect(url), ClosedError);
      await bases.base.close();
      await rejected;
      await nothingIsLeft(['bases', 'threads']);
    }
  });

  test('leaves the views on other bases alone', async () => {
    await using pair = await startPair(bases);
    await using io = EventBase.create();
    const view = pair.db.via(io);
    await view.upsert('k', 1);
    await io.close();
    const refused = { name: 'ClosedError', message: 'the event base is closed' };
    assert.throws(() => view.get('k'), refused);
    await assert.rejects(
      view.schedule((context) => context.get('k')),
      refused,
    );
    assert.equal(await pair.db.get('k'), 1);
  });
});
