// The scenarios that decide what is told of which changes. Not among them: 46 (two-phase commit, which this engine has
// not), the second half of 37 (events that no class declares: what is declared is what is told). 14 and 49 are in
// events-delete-all.test.mts, 44 in events-hooks.test.mts, 13 in events-million.test.mts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect, defineClass, EventNotDeclaredError, field, KeyExistsError } from '../../lib/index.ts';
import { Marker, Order, open, order, type Shop, short, told } from './events-shop.mts';

const both = [Order, Marker] as const;

/** What one transaction, or several, make of the two views. */
async function views(
  work: (db: Shop) => Promise<unknown>,
  prepare: (db: Shop) => Promise<unknown> = async () => {},
) {
  await using db = await open();
  await prepare(db);
  const net = db.events.feed(both);
  const each = db.events.feed(both, { granularity: 'each' });
  await work(db);
  await db.records(Marker).insert({});
  const read = async (feed: typeof net) => {
    const events = [];
    for await (const event of feed) {
      if (event.class === 'Marker') break;
      events.push(event);
    }
    return events;
  };
  return { net: await read(net), each: await read(each) };
}

const withOrder = (db: Shop) => db.records(Order).insert(order(1));

describe('what is told of a transaction', () => {
  test('scenario 1: three inserts in one transaction are three events of it, in their order', async () => {
    const { net } = await views((db) =>
      db.transaction(async (tx) => {
        for (const id of [3, 1, 2]) await tx.records(Order).insert(order(id));
      }),
    );
    assert.deepEqual(net.map(short), ['new 3', 'new 1', 'new 2']);
    const [first] = net;
    assert.deepEqual(
      net.map(({ transaction: { seq, index, count, last } }) => ({ seq, index, count, last })),
      [0, 1, 2].map((index) => ({ seq: first?.transaction.seq, index, count: 3, last: index === 2 })),
    );
  });

  test('scenario 2: an update has both images and the names of what changed, and is there to be read', async () => {
    await using db = await open();
    await withOrder(db);
    const seen: unknown[] = [];
    const subscription = await db.events.on(Order, ['update'], async (event) => {
      seen.push([
        event.before.state,
        event.after.state,
        event.changed,
        (await db.records(Order).get(1))?.state,
      ]);
    });
    await db.records(Order).update(1, { state: 2 });
    await subscription.caughtUp();
    assert.deepEqual(seen, [[1, 2, ['state'], 2]]);
    await subscription.close();
  });

  test('scenario 3: whoever waits for the commit hears of it before any handler does', async () => {
    await using db = await open();
    const log: string[] = [];
    const subscription = await db.events.on(Order, ['new'], () => void log.push('handler'));
    for (let id = 0; id < 20; id += 1) {
      await db.records(Order).insert(order(id));
      log.push('commit');
      await subscription.caughtUp();
    }
    assert.deepEqual(log, Array(20).fill(['commit', 'handler']).flat());
    await subscription.close();
  });

  test('scenario 4: what is rolled back is not told, and leaves no hole', async () => {
    await using db = await open();
    const feed = db.events.feed(both);
    await assert.rejects(
      db.transaction(async (tx) => {
        await tx.records(Order).insert(order(1));
        throw new Error('no');
      }),
    );
    await db.records(Order).insert(order(2));
    await db.records(Order).insert(order(3));
    const events = await told(db, feed);
    assert.deepEqual(events.map(short), ['new 2', 'new 3']);
    assert.deepEqual(
      events.map(({ transaction }) => transaction.seq),
      [1n, 2n],
    );
    feed.close();
  });

  test('scenario 6: an insert and updates of it are one insert of what came of it', async () => {
    const { net, each } = await views((db) =>
      db.transaction(async (tx) => {
        await tx.records(Order).insert(order(1));
        await tx.records(Order).update(1, { state: 2 });
        await tx.records(Order).update(1, { note: 'last' });
      }),
    );
    assert.deepEqual(net.map(short), ['new 1']);
    assert.deepEqual(net[0]?.kind === 'new' && net[0].after, {
      ...order(1, { state: 2, note: 'last' }),
      code: undefined,
    });
    assert.deepEqual(each.map(short), ['new 1', 'update 1', 'fieldUpdate state 1', 'update 1']);
    assert.ok(each[1]?.kind === 'update' && each[1].sameTransaction);
  });

  test('scenario 7: an insert and its removal are nothing, and both where each operation is told', async () => {
    const { net, each } = await views((db) =>
      db.transaction(async (tx) => {
        await tx.records(Order).insert(order(1));
        await tx.records(Order).remove(1);
      }),
    );
    assert.deepEqual([net.map(short), each.map(short)], [[], ['new 1', 'delete 1']]);
  });

  test('scenario 8: a change and its reversal are nothing, and two updates where each operation is told', async () => {
    const { net, each } = await views(
      (db) =>
        db.transaction(async (tx) => {
          await tx.records(Order).update(1, { note: 'b' });
          await tx.records(Order).update(1, { note: '' });
        }),
      withOrder,
    );
    assert.deepEqual([net.map(short), each.map(short)], [[], ['update 1', 'update 1']]);
  });

  test('scenario 9: an update and a removal are one removal, with the record as it was before', async () => {
    const { net, each } = await views(
      (db) =>
        db.transaction(async (tx) => {
          await tx.records(Order).update(1, { note: 'changed' });
          await tx.records(Order).remove(1);
        }),
      withOrder,
    );
    assert.deepEqual(net.map(short), ['delete 1']);
    assert.ok(net[0]?.kind === 'delete' && net[0].before.note === '' && net[0].cause === 'explicit');
    assert.deepEqual(each.map(short), ['update 1', 'delete 1']);
  });

  test('a record that is removed and made anew is a removal, then an insert', async () => {
    const { net } = await views(
      (db) =>
        db.transaction(async (tx) => {
          await tx.records(Order).remove(1);
          await tx.records(Order).insert(order(1, { note: 'again' }));
        }),
      withOrder,
    );
    assert.deepEqual(net.map(short), ['delete 1', 'new 1']);
  });

  test('scenario 11: a class with both is told the update with all fields, then each declared one that changed', async () => {
    const { net } = await views((db) => db.records(Order).update(1, { state: 2, note: 'x' }), withOrder);
    assert.deepEqual(net.map(short), ['update 1', 'fieldUpdate state 1']);
    assert.deepEqual(net[0]?.kind === 'update' && net[0].changed, ['state', 'note']);
    assert.ok(net[1]?.kind === 'fieldUpdate' && net[1].before === 1 && net[1].after === 2);
  });

  test('scenario 12: an equal value written is no change, and seen only where each operation is told', async () => {
    const { net, each } = await views((db) => db.records(Order).update(1, { state: 1 }), withOrder);
    assert.deepEqual([net.map(short), each.map(short)], [[], ['update 1']]);
  });

  test('scenario 15: a deleteAll of nothing is nothing', async () => {
    const { net } = await views((db) => db.records(Order).deleteAll());
    assert.deepEqual(net, []);
  });

  test('a deleteAll absorbs what came before it in its transaction, and what comes after is new', async () => {
    const { net } = await views(
      (db) =>
        db.transaction(async (tx) => {
          await tx.records(Order).update(1, { state: 5 });
          await tx.records(Order).insert(order(2));
          assert.equal(await tx.records(Order).deleteAll(), 2);
          await tx.records(Order).insert(order(1));
        }),
      withOrder,
    );
    assert.deepEqual(net.map(short), ['deleteAll 1', 'new 1']);
  });

  test('what was removed before a deleteAll is no victim of it, and conflicts as any removal does', async () => {
    let attempts = 0;
    const { net, each } = await views(
      (db) =>
        db.transaction(async (tx) => {
          attempts += 1;
          await tx.records(Order).remove(1);
          assert.equal(await tx.records(Order).deleteAll(), 1);
          if (attempts === 1) await db.records(Order).update(1, { note: 'changed meanwhile' });
        }),
      async (db) => {
        await db.records(Order).insert(order(1));
        await db.records(Order).insert(order(2));
      },
    );
    assert.equal(attempts, 2);
    assert.deepEqual(net.map(short), ['update 1', 'delete 1', 'deleteAll 1']);
    assert.deepEqual(each.map(short), net.map(short));
    assert.ok(net[1]?.kind === 'delete' && net[1].before.note === 'changed meanwhile');
  });

  test('scenario 17: without a checkpoint there is no checkpoint event', async () => {
    const { net } = await views(
      (db) => db.transaction((tx) => tx.records(Order).update(1, { state: 2 })),
      withOrder,
    );
    assert.ok(net.every(({ kind }) => kind !== 'checkpoint'));
  });

  test('scenario 18: a checkpoint is one event for each record with changes, told after the commit or never', async () => {
    const change = (fail: boolean) => (db: Shop) =>
      db
        .transaction(async (tx) => {
          const orders = tx.records(Order);
          await orders.update(1, { state: 2 });
          await orders.update(2, { note: 'x' });
          await tx.checkpoint();
          await orders.update(1, { state: 3 });
          await tx.checkpoint();
          await tx.checkpoint();
          if (fail) throw new Error('rolled back');
        })
        .catch(() => {});
    const two = async (db: Shop) => {
      await db.records(Order).insert(order(1));
      await db.records(Order).insert(order(2));
    };
    const { net, each } = await views(change(false), two);
    const checkpoints = (events: typeof net) => events.filter(({ kind }) => kind === 'checkpoint').map(short);
    assert.deepEqual(checkpoints(net), ['checkpoint 1 2', 'checkpoint 2 1']);
    assert.deepEqual(checkpoints(each), ['checkpoint 1 1', 'checkpoint 2 1', 'checkpoint 1 1']);
    assert.deepEqual((await views(change(true), two)).net, []);
  });

  test('scenario 19: a transaction that meets a taken unique value and is given up tells nothing', async () => {
    const { net } = await views(
      async (db) => {
        await assert.rejects(
          db.transaction(async (tx) => {
            await tx.records(Order).insert(order(2));
            await tx.checkpoint();
            await tx.records(Order).insert(order(3, { code: 'taken' }));
          }),
          KeyExistsError,
        );
      },
      (db) => db.records(Order).insert(order(1, { code: 'taken' })),
    );
    assert.deepEqual(net, []);
  });

  test('scenario 37: what is not declared cannot be subscribed to, and is written like anything else', async () => {
    const Silent = defineClass('Silent', { key: 'id', fields: { id: field.uint32() } });
    await using db = await connect('embedded:', { classes: [Silent] });
    // What the compiler would not let pass.
    const events = db.events as unknown as Shop['events'];
    const silent = Silent as unknown as typeof Order;
    assert.throws(() => events.feed(silent, { kinds: ['new'] }), EventNotDeclaredError);
    await assert.rejects(
      events.on(silent, ['new'], () => {}),
      EventNotDeclaredError,
    );
    await assert.rejects(events.wait('orderNew'), EventNotDeclaredError);
    await db.records(Silent).insert({ id: 1 });
    assert.deepEqual(await db.records(Silent).get(1), { id: 1 });
  });

  test('scenario 47: with a condition, updates say whether the record came to match or ceased to', async () => {
    await using db = await open();
    await db.records(Order).insert(order(1, { customer: 7 }));
    const feed = db.events.feed(Order, { where: { customer: 7 }, kinds: ['update', 'new', 'delete'] });
    await db.records(Order).update(1, { customer: 8 });
    await db.records(Order).update(1, { note: 'of no interest' });
    await db.records(Order).update(1, { customer: 7 });
    await db.records(Order).update(1, { note: 'of interest' });
    await db.records(Order).remove(1);
    const transitions = [];
    for (let i = 0; i < 4; i += 1) transitions.push((await feed.next()).value?.transition);
    assert.deepEqual(transitions, ['leave', 'enter', 'stay', 'leave']);
    feed.close();
  });

  test('what handlers are given comes in turns of its own, never within a call of the database', async () => {
    await using db = await open();
    let isWithin = false;
    let met = false;
    const subscription = await db.events.on(Order, ['new'], () => {
      met ||= isWithin;
    });
    for (let id = 0; id < 50; id += 1) {
      isWithin = true;
      const write = db.records(Order).insert(order(id));
      isWithin = false;
      if (id % 10 === 0) await write;
    }
    await setImmediate();
    await subscription.caughtUp();
    assert.equal(met, false);
    await subscription.close();
  });
});
