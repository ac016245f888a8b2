import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import {
  ClosedError,
  connect,
  defineClass,
  field,
  InvalidArgumentError,
  onDelete,
  onNew,
  onUpdate,
  UnsupportedError,
  VetoError,
} from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { Directory } from './embedded.mts';

const Order = defineClass('Order', {
  key: 'id',
  fields: { id: field.uint32(), state: field.uint32(), tags: field.vector(field.string()) },
  events: [onNew(), onUpdate(), onDelete()],
});
const Other = defineClass('Other', { key: 'id', fields: { id: field.uint32() } });
const classes = [Order, Other] as const;
const order = (id: number, state = 0) => ({ id, state, tags: ['a'] });

/** Fails every write of an odd id. */
function refuseOdd(change: { readonly key: number }): void {
  if (change.key % 2 === 1) throw new Error(`${change.key} is odd`);
}

describe('hooks', () => {
  test('scenario 44: a hook that vetoes odd ids fails the whole transaction: nothing on the feed, nothing stored', async () => {
    await using db = await connect('embedded:', { classes });
    db.hooks.on(Order, 'new', refuseOdd);
    const feed = db.events.feed(Order);
    const failed = db.transaction(async (tx) => {
      await tx.records(Order).insert(order(2));
      await tx.records(Order).insert(order(3));
    });
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof VetoError && error.cause instanceof Error);
      assert.equal(error.cause.message, '3 is odd');
      assert.equal(error.context.class, 'Order');
      return true;
    });
    assert.equal(await db.records(Order).find().count(), 0);
    await db.records(Order).insert(order(4));
    assert.equal((await feed.next()).value?.key, 4);
    feed.close();
  });

  test('a transaction whose operation was vetoed cannot be committed by catching that', async () => {
    await using db = await connect('embedded:', { classes });
    db.hooks.on(Order, 'new', refuseOdd);
    const failed = db.transaction(async (tx) => {
      await tx.records(Order).insert(order(2));
      await tx
        .records(Order)
        .insert(order(3))
        .catch(() => {});
    });
    await assert.rejects(failed, VetoError);
    assert.equal(await db.records(Order).find().count(), 0);
  });

  test('single operations are refused alone; those around them are made', async () => {
    await using db = await connect('embedded:', { classes });
    db.hooks.on(Order, 'new', refuseOdd);
    const orders = db.records(Order);
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map((id) => orders.insert(order(id))));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal(await orders.find().count(), 2);
  });

  test('each kind is seen with its images, which are copies, until the hook is cancelled', async () => {
    await using db = await connect('embedded:', { classes });
    const seen: unknown[] = [];
    const registration = db.hooks.on(Order, ['new', 'update', 'delete', 'deleteAll'], (change) => {
      seen.push(structuredClone(change));
      if (change.kind !== 'deleteAll' && change.after !== undefined) change.after.state = 99;
    });
    const orders = db.records(Order);
    await orders.insert(order(1));
    await orders.update(1, { state: 2 });
    await orders.upsert(order(2));
    await orders.remove(1);
    assert.deepEqual(await orders.get(2), order(2));
    await orders.deleteAll();
    registration.cancel();
    await orders.insert(order(5));
    assert.deepEqual(seen, [
      { kind: 'new', class: 'Order', key: 1, before: undefined, after: order(1) },
      { kind: 'update', class: 'Order', key: 1, before: order(1), after: order(1, 2) },
      { kind: 'new', class: 'Order', key: 2, before: undefined, after: order(2) },
      { kind: 'delete', class: 'Order', key: 1, before: order(1, 2), after: undefined },
      { kind: 'deleteAll', class: 'Order' },
    ]);
  });

  test('they end with the database they were registered with, each by itself', async () => {
    await using directory = await Directory.make();
    await using db = await connect(directory.url, { classes });
    const other = await connect(directory.url, { classes });
    const { hooks } = other;
    let calls = 0;
    const count = (): void => {
      calls += 1;
    };
    const [first] = [db.hooks.on(Order, 'new', count), db.hooks.on(Order, 'new', count)];
    hooks.on(Order, 'new', () => {
      throw new Error('refused');
    });
    await assert.rejects(db.records(Order).insert(order(1)), VetoError);
    await other.close();
    assert.throws(() => hooks.on(Order, 'new', count), ClosedError);
    calls = 0;
    await db.records(Order).insert(order(1));
    assert.equal(calls, 2);
    first?.cancel();
    await db.records(Order).insert(order(2));
    assert.equal(calls, 3);
  });

  test('it runs once for each attempt of a transaction', async () => {
    await using db = await connect('embedded:', { classes });
    await db.records(Order).insert(order(1));
    let calls = 0;
    db.hooks.on(Order, 'update', () => {
      calls += 1;
    });
    let attempts = 0;
    await db.transaction(async (tx) => {
      attempts += 1;
      await tx.records(Order).get(1);
      if (attempts === 1) await db.records(Order).upsert(order(1, 5));
      await tx.records(Order).update(1, { state: 7 });
    });
    assert.deepEqual([attempts, calls], [2, 3]);
  });

  test('what it asks of the database, by this connection or another, comes after the write it is called in', async () => {
    await using directory = await Directory.make();
    await using db = await directory.open({ classes });
    await using other = await directory.open({ classes });
    const asked: Promise<unknown>[] = [];
    db.hooks.on(Order, 'new', ({ key }) => {
      for (const each of [db, other]) {
        asked.push(
          each.increment('orders', { initial: 1n }),
          each.records(Other).insert({ id: key * 10 + (each === db ? 0 : 1) }),
          each.transaction((tx) => tx.upsert('last', key)),
          each.schedule((ctx) => [ctx.upsert('a', key), ctx.upsert('b', key)]),
        );
      }
      asked.push(db.get('orders'), db.records(Order).get(key), db.records(Order).find().all());
    });
    await Promise.all([1, 2, 3].map((id) => db.records(Order).insert(order(id))));
    await Promise.all(asked);
    assert.equal(await db.records(Order).find().count(), 3);
    assert.equal(await db.records(Other).find().count(), 6);
    assert.equal(String(await db.get('orders')), '6');
  });

  test('is not asked about what Time-To-Live removes, and is about all that removes otherwise', async () => {
    const Brief = defineClass('Brief', {
      key: 'id',
      fields: { id: field.uint32() },
      ttl: { age: 10, count: 3 },
    });
    let time = Date.UTC(2030, 0, 1);
    await using db = await connect('embedded:', { classes: [Brief], clock: () => time, sweeper: false });
    const asked: string[] = [];
    db.hooks.on(Brief, ['delete', 'deleteAll'], (change) => {
      asked.push(change.kind === 'delete' ? `delete ${change.key}` : change.kind);
    });
    const records = db.records(Brief);
    for (let id = 1; id <= 5; id += 1) await records.insert({ id }); // two go by count
    time += 10_000;
    assert.equal(await db.expireNow(), 3);
    assert.deepEqual(asked, []);
    await records.insert({ id: 6 });
    await records.remove(6);
    await records.deleteAll();
    assert.deepEqual(asked, ['delete 6', 'deleteAll']);
  });

  test('an asynchronous hook refuses: it cannot be waited for', async () => {
    await using db = await connect('embedded:', { classes });
    db.hooks.on(Other, 'new', (async () => {}) as () => void);
    await assert.rejects(db.records(Other).insert({ id: 1 }), VetoError);
  });

  test('what is no hook is refused by name, and engines without classes have none', async () => {
    await using db = await connect('embedded:', { classes: [Order] });
    const refused = (argument: string) => (error: unknown) =>
      error instanceof InvalidArgumentError && error.context.argument === argument;
    assert.throws(() => db.hooks.on(Order, [], () => {}), refused('kinds'));
    assert.throws(() => db.hooks.on(Order, 'expire' as 'new', () => {}), refused('kinds'));
    assert.throws(() => db.hooks.on(Order, 'new', undefined as unknown as () => void), refused('hook'));
    assert.throws(() => db.hooks.on(Other as unknown as typeof Order, 'new', () => {}), refused('class'));
    await db.close();
    assert.throws(() => db.hooks.on(Order, 'new', () => {}), ClosedError);
    const server = await startServer();
    await using memcached = await connect(server.url);
    assert.throws(() => memcached.hooks, UnsupportedError);
    await memcached.close();
    await server.close();
  });
});

describe('a hook that returns something to be waited for', () => {
  const refused = new Error('refused');
  const hooks: Record<string, () => unknown> = {
    'an asynchronous function': async () => {
      throw refused;
    },
    'an object with then': () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      then: (_resolve: unknown, reject: (error: unknown) => void) => reject(refused),
    }),
    // biome-ignore lint/suspicious/noThenProperty: as above
    'a function with then': () => Object.assign(() => {}, { then: () => {} }),
    'an asynchronous function of another realm': runInNewContext(
      'async () => { throw new Error("refused") }',
    ),
    'an object whose then throws': () => ({
      // biome-ignore lint/suspicious/noThenProperty: as above
      get then(): never {
        throw refused;
      },
    }),
  };
  for (const [what, hook] of Object.entries(hooks)) {
    test(`refuses the write: ${what}`, async () => {
      await using db = await connect('embedded:', { classes: [Order] });
      db.hooks.on(Order, 'new', hook);
      await assert.rejects(db.records(Order).insert(order(1)), VetoError);
      assert.equal(await db.records(Order).exists(1), false);
    });
  }
});
