import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  ClosedError,
  connect,
  defineClass,
  type Feed,
  field,
  OverflowError,
  onNew,
  SchemaMismatchError,
  uniqueIndex,
} from '../../lib/index.ts';
import { Directory, Marker, Order, open, order, type Shop, told } from './events-shop.mts';
import { until } from './harness.mts';

const both = [Order, Marker] as const;

async function insert(db: Shop, ...ids: number[]): Promise<void> {
  for (const id of ids) await db.records(Order).insert(order(id));
}

describe('a subscription', () => {
  test('ends with its database: the call under way settles first, and nothing more is told', async () => {
    const db = await open();
    let isDone = false;
    const seen: number[] = [];
    let go = (): void => {};
    const subscription = await db.events.on(Order, ['new'], async (event) => {
      seen.push(event.key);
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      isDone = true;
    });
    const never = subscription.caughtUp(99n);
    never.catch(() => {});
    await insert(db, 1, 2);
    await until(() => seen.length === 1);
    const closing = db.close();
    await setImmediate();
    assert.equal(isDone, false);
    go();
    await closing;
    assert.equal(isDone, true);
    await subscription.closed;
    assert.deepEqual(seen, [1]);
    await assert.rejects(never, ClosedError);
    assert.equal(subscription.stats.lag, 0);
  });

  test('that begins while an index is built misses nothing, also when there is to be no such index', async () => {
    await using directory = await Directory.make();
    const fields = { id: field.uint32(), code: field.uint32() };
    const events = [onNew()] as const;
    const Before = defineClass('Thing', { key: 'id', fields, events });
    const indexes = { byCode: uniqueIndex('code') };
    const After = defineClass('Thing', { key: 'id', fields, events, indexes });
    await using db = await connect(directory.url, { classes: [Before] });
    const things = db.records(Before);
    const ids = Array.from({ length: 2000 }, (_each, id) => id);
    await Promise.all(ids.map((id) => things.insert({ id, code: id === 1999 ? 0 : id })));
    const { position } = db.events;
    const feeds: Feed<{ readonly key: number }>[] = [];
    const onProgress = (): void => {
      assert.equal(db.events.position, position);
      feeds.push(db.events.feed(Before, { kinds: ['new'] }));
    };
    await assert.rejects(connect(directory.url, { classes: [After], onProgress }), SchemaMismatchError);
    await things.insert({ id: 3000, code: 3000 });
    assert.ok(feeds.length >= 3);
    for (const feed of feeds) {
      assert.equal((await feed.next()).value?.key, 3000);
      feed.close();
    }
    await things.remove(1999);
    await using grown = await connect(directory.url, { classes: [After] });
    assert.equal(await grown.records(After).find({ index: 'byCode', from: 0 }).count(), 2000);
  });

  test('whose handler closes the database, and waits for that, keeps nobody waiting for ever', async () => {
    const db = await open();
    const subscription = await db.events.on(Order, ['new'], () => db.close({ timeout: 50 }));
    await insert(db, 1);
    await subscription.closed;
    await db.close();
    assert.equal(db.closed, true);
  });

  test('that stops while nobody looks at it is a warning of the process, not an unhandled rejection', async (t) => {
    await using db = await open();
    const warnings: unknown[] = [];
    const unhandled: unknown[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    const onUnhandled = (reason: unknown): unknown => unhandled.push(reason);
    process.on('warning', onWarning);
    process.on('unhandledRejection', onUnhandled);
    t.after(() => {
      process.off('warning', onWarning);
      process.off('unhandledRejection', onUnhandled);
    });
    const failure = new Error('unseen');
    const fail = (): never => {
      throw failure;
    };
    const unseen = await db.events.on(Order, ['new'], fail);
    const seen = await db.events.on(Order, ['new'], fail);
    const looked = assert.rejects(seen.closed, failure);
    await insert(db, 1);
    await looked;
    await until(() => unseen.stats.failed === 1 && warnings.length > 0);
    await setImmediate();
    assert.deepEqual([warnings, unhandled], [[failure], []]);
    await assert.rejects(unseen.closed, failure);
    await assert.rejects(unseen.caughtUp(), ClosedError);
  });

  test('that is closed before its next try makes none', async () => {
    await using db = await open();
    let calls = 0;
    const subscription = await db.events.on(
      Order,
      ['new'],
      () => {
        calls += 1;
        throw new Error('broken');
      },
      { onError: { retries: 5, backoff: 3_600_000 } },
    );
    await insert(db, 1);
    await until(() => calls === 1);
    await subscription.close();
    await subscription.closed; // it was closed before it was known what becomes of the event
    assert.deepEqual([calls, subscription.stats.retried], [1, 0]);
  });

  test('does not begin before the call that makes it has returned, and may begin in the past', async () => {
    await using db = await open();
    await insert(db, 1, 2);
    const seen: number[] = [];
    let isMade = false;
    const made = db.events.on(
      Order,
      'new',
      (event) => {
        assert.ok(isMade);
        seen.push(event.key);
      },
      { from: 'beginning' },
    );
    isMade = true;
    const subscription = await made;
    await subscription.caughtUp(2n);
    assert.deepEqual(seen, [1, 2]);
    assert.deepEqual(subscription.stats, { delivered: 2, retried: 0, dropped: 0, failed: 0, lag: 0 });
    await subscription.close();
  });

  test('with error as its overflow stops with it, and from where it says nothing is lost', async () => {
    await using db = await open();
    let go = (): void => {};
    const seen: number[] = [];
    const subscription = await db.events.on(
      Order,
      ['new'],
      async (event) => {
        seen.push(event.key);
        await new Promise<void>((resolve) => {
          go = resolve;
        });
      },
      { overflow: 'error', queue: 5 },
    );
    await insert(db, 1);
    await until(() => seen.length === 1);
    await insert(db, 2, 3, 4, 5, 6, 7, 8);
    go();
    let from = '';
    await assert.rejects(subscription.closed, (error) => {
      assert.ok(error instanceof OverflowError);
      from = String(error.context.resumeFrom);
      return true;
    });
    assert.deepEqual(seen, [1]);
    const rest = db.events.feed(both, { from });
    assert.equal((await told(db, rest)).length, 7);
    rest.close();
  });
});

describe('a wait', () => {
  test('that is given up in the moment of an event loses none', async () => {
    await using db = await open();
    const connection = db.events.connection();
    connection.listen('orderNew');
    const seen: number[] = [];
    const count = 50;
    for (let id = 1; id <= count; id += 1) {
      const waiting = connection.wait('orderNew');
      await setImmediate();
      // Whoever is told right after the wait has been given its event gives up the wait.
      const subscription = await db.events.on(Order, ['new'], () => connection.releaseAll());
      await insert(db, id);
      await subscription.caughtUp();
      await subscription.close();
      const result = await waiting;
      if (result.status === 'event') seen.push(result.event.key);
      connection.reset();
      for (;;) {
        const left = await connection.wait('orderNew', { timeout: 0 });
        if (left.status !== 'event') break;
        seen.push(left.event.key);
      }
    }
    assert.deepEqual(
      seen,
      Array.from({ length: count }, (_each, i) => i + 1),
    );
    connection.close();
  });

  test('of a database that is closed, or of a connection that is, is released', async () => {
    await using directory = await Directory.make();
    const db = await connect(directory.url, { classes: [Order] });
    const connection = db.events.connection();
    const waiting = connection.wait('orderNew', { timeout: 60_000 });
    connection.close();
    assert.deepEqual(await waiting, { status: 'released' });
    assert.deepEqual(await connection.wait('orderNew'), { status: 'released' });
    const others = [db.events.wait('orderNew'), db.events.connection().waitEvent('Order.update')];
    await db.close();
    assert.deepEqual(await Promise.all(others), [{ status: 'released' }, { status: 'released' }]);
    await assert.rejects(db.events.wait('orderNew'), ClosedError);
  });
});
