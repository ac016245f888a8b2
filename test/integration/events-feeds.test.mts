import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ClosedError,
  connect,
  defineClass,
  field,
  onNew,
  PositionLostError,
  type TransactionInfo,
} from '../../lib/index.ts';
import { Clock } from './embedded.mts';
import { Marker, Order, open, order, type Shop, short, told } from './events-shop.mts';
import { until } from './harness.mts';

const both = [Order, Marker] as const;

async function insert(db: Shop, ...ids: number[]): Promise<void> {
  for (const id of ids) await db.records(Order).insert(order(id));
}

describe('which events', () => {
  test('fields leaves out updates of others, and nothing else', async () => {
    await using db = await open();
    const orders = db.events.feed(Order, {
      fields: ['note', 'customer'],
      kinds: ['new', 'update', 'delete', 'deleteAll'],
    });
    await insert(db, 1);
    await db.records(Order).update(1, { state: 5 });
    await db.records(Order).update(1, { note: 'x' });
    await db.records(Order).update(1, { state: 6, customer: 5 });
    await db.records(Order).remove(1);
    await insert(db, 2);
    await db.records(Order).deleteAll();
    const seen: string[] = [];
    for await (const event of orders) {
      seen.push(event.kind === 'update' ? `update ${event.changed.join()}` : short(event));
      if (event.kind === 'deleteAll') break;
    }
    assert.deepEqual(seen, [
      'new 1',
      'update note',
      'update customer,state',
      'delete 1',
      'new 2',
      'deleteAll 1',
    ]);
  });

  test('a checkpoint of a record that meets the condition comes neither into it nor out of it', async () => {
    await using db = await open();
    await insert(db, 1, 2);
    const feed = db.events.feed(Order, { where: { id: 1 }, kinds: ['checkpoint', 'update'] });
    await db.transaction(async (tx) => {
      for (const id of [2, 1]) await tx.records(Order).update(id, { note: 'x' });
      await tx.checkpoint();
    });
    const seen = [await feed.next(), await feed.next()].map(({ value }) => [
      value?.kind,
      value?.key,
      value?.transition,
    ]);
    assert.deepEqual(seen, [
      ['update', 1, 'stay'],
      ['checkpoint', 1, undefined],
    ]);
    feed.close();
  });

  test('what was removed by itself before all were is told by itself, and no victim of that', async () => {
    await using db = await open();
    await insert(db, 1, 2, 3);
    const net = db.events.feed(both);
    const each = db.events.feed(both, { granularity: 'each' });
    let isFirst = true;
    await db.transaction(async (tx) => {
      const orders = tx.records(Order);
      await orders.remove(1);
      await orders.remove(2);
      await orders.insert(order(2));
      assert.equal(await orders.deleteAll(), isFirst ? 2 : 3);
      // A victim that the transaction has not seen; then one it has, which begins it anew.
      if (isFirst) {
        isFirst = false;
        await insert(db, 4);
        await db.records(Order).update(1, { note: 'x' });
      } else await insert(db, 5);
    });
    const after = (events: readonly { readonly kind: string }[]) => events.map(short).slice(3);
    assert.deepEqual(after(await told(db, net)), ['delete 1', 'delete 2', 'deleteAll 3']);
    assert.deepEqual(after(await told(db, each)), ['delete 1', 'delete 2', 'new 2', 'deleteAll 4']);
    assert.equal(await db.records(Order).find().count(), 0);
  });

  test('by transactions, what is left of one is passed over', async () => {
    await using db = await open();
    const feed = db.events.transactions(Order, { kinds: ['new'] });
    for (const first of [1, 4, 7])
      await db.transaction(
        async (tx) => {
          for (let id = first; id < first + 3; id += 1) await tx.records(Order).insert(order(id));
        },
        { origin: `writer ${first}`, meta: { first } },
      );
    const seen: unknown[] = [];
    for await (const transaction of feed) {
      const keys: number[] = [];
      for await (const event of transaction.events) {
        keys.push(event.key);
        if (event.key === 4) break;
      }
      seen.push([transaction.seq, transaction.count, transaction.origin, transaction.meta, keys]);
      if (keys.includes(9)) break;
    }
    assert.deepEqual(seen, [
      [1n, 3, 'writer 1', { first: 1 }, [1, 2, 3]],
      [2n, 3, 'writer 4', { first: 4 }, [4]],
      [3n, 3, 'writer 7', { first: 7 }, [7, 8, 9]],
    ]);
  });

  test('say what the writer said when it began, whatever becomes of that', async () => {
    await using db = await open();
    const feed = db.events.feed(Order);
    const meta: { said: unknown } = { said: 'at the beginning' };
    const others: Promise<unknown>[] = [];
    await db.transaction(
      async (tx) => {
        await tx.records(Order).insert(order(1));
        meta.said = Symbol('what cannot be told');
        others.push(db.records(Order).insert(order(2)));
      },
      { meta },
    );
    await Promise.all(others);
    const first = (await feed.next()).value;
    const second = (await feed.next()).value;
    const told = [first, second].find((each) => each?.transaction.meta !== undefined);
    assert.deepEqual(told?.transaction.meta, { said: 'at the beginning' });
  });

  test('by transactions, one that is still held is told nothing of the next', async () => {
    await using db = await open();
    const feed = db.events.transactions(Order);
    for (const first of [1, 4])
      await db.transaction(async (tx) => {
        for (let id = first; id < first + 3; id += 1) await tx.records(Order).insert(order(id));
      });
    const first = (await feed.next()).value?.events as AsyncIterable<{ readonly kind: string; key?: number }>;
    const held = first[Symbol.asyncIterator]();
    assert.equal((await held.next()).value?.key, 1);
    const next = (await feed.next()).value;
    assert.equal((await held.next()).done, true);
    const keys: unknown[] = [];
    for await (const event of next?.events ?? []) keys.push('key' in event ? event.key : undefined);
    assert.deepEqual(keys, [4, 5, 6]);
  });

  test('of records whose keys differ by a millisecond, or by where a text ends, are of different records', async () => {
    const Reading = defineClass('Reading', {
      key: ['sensor', 'part', 'at'],
      fields: { sensor: field.string(), part: field.string(), at: field.datetime() },
      events: [onNew()],
    });
    await using db = await connect('embedded:', { classes: [Reading] });
    const feed = db.events.feed(Reading, { overflow: 'latest' });
    const readings = [
      { sensor: 'a\0', part: 'b', at: new Date(1000) },
      { sensor: 'a', part: '\0b', at: new Date(1000) },
      { sensor: 'a', part: '\0b', at: new Date(1001) },
    ];
    for (const each of readings) await db.records(Reading).insert(each);
    for (const each of readings) {
      const { value } = await feed.next();
      assert.deepEqual([value?.after, value?.coalesced], [each, 1]);
    }
  });

  test('of a very large transaction come in pieces, and go on anywhere in it', async () => {
    await using db = await open();
    const feed = db.events.feed(Order, { kinds: ['new'] });
    const count = 5000;
    await db.transaction(async (tx) => {
      for (let id = 0; id < count; id += 1)
        await tx.records(Order).insert(order(id, { note: 'x'.repeat(400) }));
    });
    const all = [];
    for await (const event of feed) {
      all.push(event);
      if (event.transaction.last) break;
    }
    assert.deepEqual(
      all.map(({ key, transaction: { index, count } }) => [key, index, count]),
      Array.from({ length: count }, (_each, i) => [i, i, count]),
    );
    for (const at of [0, 1, 255, 256, 999, 2500, 4998]) {
      const from: string = all[at]?.position ?? '';
      const rest = db.events.feed(Order, { kinds: ['new'], from });
      const keys: number[] = [];
      for await (const { key, transaction } of rest) {
        keys.push(key);
        assert.equal(transaction.count, count - at - 1);
        if (transaction.last) break;
      }
      assert.deepEqual([keys[0], keys.length], [at + 1, count - at - 1]);
    }
  });

  test('of a very large transaction are as many as it says, whatever is asked for', async () => {
    await using db = await open();
    const note = 'x'.repeat(400);
    await db.transaction(async (tx) => {
      for (let id = 0; id < 600; id += 1)
        await tx.records(Order).insert(order(id, { note, customer: id % 5 }));
    });
    await db.transaction(async (tx) => {
      const orders = tx.records(Order);
      for (let id = 0; id < 600; id += 1) {
        if (id % 3 === 0) await orders.update(id, { state: id + 2 });
        if (id % 3 === 1) await orders.update(id, { customer: 3 });
        if (id % 3 === 2) await orders.remove(id);
        if (id % 7 === 0) await orders.update(id, { note: 'y'.repeat(400) }).catch(() => {});
      }
      await tx.checkpoint();
      await orders.insert(order(1000, { note }));
    });
    const asked = [
      {},
      { kinds: ['update'] },
      { kinds: ['fieldUpdate:state'] },
      { kinds: ['update', 'fieldUpdate:state', 'checkpoint'] },
      { kinds: ['update', 'fieldUpdate:state', 'delete'], fields: ['customer', 'note'] },
      { where: { customer: 3 } },
      { granularity: 'each' },
    ] as const;
    for (const options of asked) {
      const feed = db.events.feed([Order], { ...options, from: 'beginning' } as { from: 'beginning' });
      const left = new Map<bigint, number>();
      while (left.get(2n) !== 0) {
        const { value } = (await feed.next()) as {
          readonly value: { readonly transaction: TransactionInfo };
        };
        const { seq, index, count, last } = value.transaction;
        const expected = left.get(seq) ?? count;
        assert.deepEqual([index, last], [count - expected, expected === 1], JSON.stringify(options));
        left.set(seq, expected - 1);
      }
      assert.ok([...left.values()].every((each) => each === 0));
      feed.close();
    }
  });
});

describe('a feed', () => {
  test('may be asked for several events at once: each is told once, in order', async () => {
    await using db = await open();
    const feed = db.events.feed(Order, { kinds: ['new'] });
    const asked = [1, 2, 3, 4].map(() => feed.next());
    await insert(db, 1, 2);
    await insert(db, 3);
    const keys = (await Promise.all(asked.slice(0, 3))).map(({ value }) => value?.key);
    assert.deepEqual(keys, [1, 2, 3]);
    feed.close();
    assert.deepEqual(await asked[3], { done: true, value: undefined });
  });

  test('just ends with its database; a loop over it, too', async () => {
    const db = await open();
    const feed = db.events.feed(both);
    const transactions = db.events.transactions(Order);
    const keys: unknown[] = [];
    const loops = Promise.all([
      (async () => {
        for await (const event of feed) keys.push(short(event));
      })(),
      (async () => {
        for await (const { events } of transactions) for await (const event of events) keys.push(event.kind);
      })(),
    ]);
    await insert(db, 7);
    await until(() => keys.length === 2);
    await db.close();
    await loops;
    assert.deepEqual(keys.sort(), ['new', 'new 7']);
    assert.equal(feed.closed, true);
    assert.deepEqual(await feed.next(), { done: true, value: undefined });
    assert.throws(() => db.events.feed(Order), ClosedError);
    assert.throws(() => db.events.transactions(Order), ClosedError);
    await assert.rejects(
      db.events.on(Order, ['new'], () => {}),
      ClosedError,
    );
    await assert.rejects(
      db.events.durable('name', Order, () => {}),
      ClosedError,
    );
  });

  test('that begins where nothing is kept any more says so, with what is kept', async () => {
    await using db = await open({ retention: { maxBytes: 50_000 } });
    const updates = db.events.feed(Order, { kinds: ['update', 'fieldUpdate:state'] });
    await db.records(Order).insert(order(1000));
    await db.records(Order).update(1000, { state: 2 });
    const within = (await updates.next()).value?.position as string;
    updates.close();
    const from = db.events.position;
    const late = db.events.feed(Order);
    for (let id = 0; id < 500; id += 1) await db.records(Order).insert(order(id, { note: 'x'.repeat(1000) }));
    let oldest = '';
    const lost = (error: unknown) => {
      assert.ok(error instanceof PositionLostError);
      assert.equal(error.context.requested, from);
      oldest = String(error.context.oldest);
      return true;
    };
    await assert.rejects(db.events.feed(Order, { from }).next(), lost);
    await assert.rejects(late.next(), lost);
    await assert.rejects(
      db.events.feed(Order, { from: within }).next(),
      (error) => error instanceof PositionLostError && error.context.requested === within,
    );
    assert.deepEqual(await late.next(), { done: true, value: undefined });
    const subscription = await db.events.on(Order, ['new'], () => {}, { from });
    await assert.rejects(subscription.closed, lost);
    const kept = db.events.feed(Order, { from: oldest });
    const beginning = db.events.feed(Order, { from: 'beginning' });
    assert.equal((await kept.next()).value?.position, (await beginning.next()).value?.position);
    kept.close();
    beginning.close();
  });

  test('begins with the oldest that is kept, if that is a removal, too, and never in the middle of a transaction', async () => {
    for (const each of [1, 7, 150]) {
      await using db = await open({ retention: { maxBytes: 100_000 } });
      const note = 'x'.repeat(1000);
      const count = 600;
      await db.transaction(async (tx) => {
        for (let id = 0; id < count; id += 1) await tx.records(Order).insert(order(id, { note }));
      });
      const all = db.events.feed(both, { kinds: ['delete', 'new'] });
      const seen: string[] = [];
      for (let first = 0; first < count; first += each) {
        await db.transaction(async (tx) => {
          for (let id = first; id < Math.min(count, first + each); id += 1)
            await tx.records(Order).remove(id);
        });
        for (let i = first; i < Math.min(count, first + each); i += 1)
          seen.push((await all.next()).value?.position ?? '');
      }
      all.close();
      let from = '';
      await assert.rejects(db.events.feed(Order, { from: seen[0] }).next(), (error) => {
        assert.ok(error instanceof PositionLostError);
        from = String(error.context.oldest);
        return true;
      });
      const events = [];
      for await (const event of db.events.feed(Order, { from, kinds: ['delete', 'new'] })) {
        events.push(event);
        if (event.position === seen.at(-1)) break;
      }
      assert.ok(events.length > 0 && events.length < count);
      assert.deepEqual(
        events.map(({ position }) => position),
        seen.slice(-events.length),
      );
      assert.ok(events[0]?.kind === 'delete' && events[0].before.note === note);
      assert.equal(events[0].transaction.index, 0);
      assert.equal(events[0].key % each, 0);
      // One before that is lost.
      const before: string = seen.at(-events.length - 2) ?? '';
      await assert.rejects(db.events.feed(Order, { from: before }).next(), PositionLostError);
    }
  });

  test('keeps nothing for longer than it should, however many transactions are committed at a time', async () => {
    const clock = new Clock();
    await using db = await open({ clock: clock.read, sweeper: false, retention: { maxAge: 3600 } });
    await insert(db, 0);
    for (let id = 1; id < 1600; id += 2) {
      await Promise.all([insert(db, id), insert(db, id + 1)]);
      clock.advance(10);
    }
    const { value } = await db.events.feed(Order, { from: 'beginning' }).next();
    const age = clock.read() - Number(value?.transaction.time);
    assert.ok(age < 2 * 3_600_000, `the oldest event is ${age} ms old`);
  });

  test('keeps no more than it should, also where transactions are large', async () => {
    await using db = await open({ retention: { maxBytes: 100_000 } });
    const note = 'x'.repeat(1000);
    for (let round = 0; round < 6; round += 1) {
      await db.transaction(async (tx) => {
        for (let id = 0; id < 600; id += 1) await tx.records(Order).upsert(order(id, { note, state: round }));
      });
      let kept = 0;
      for await (const event of db.events.feed(Order, { from: 'beginning', kinds: ['new', 'update'] })) {
        kept += 1;
        if (event.transaction.last && event.after.state === round) break;
      }
      assert.ok(kept <= 600, `${kept} are kept`);
    }
  });

  test('that may drop what is oldest goes on where something is kept, behind one gap', async () => {
    await using db = await open({ retention: { maxBytes: 50_000 } });
    const from = db.events.position;
    const few = db.events.feed(Order, { kinds: ['new'], overflow: 'dropOldest', queue: 3 });
    const many = db.events.feed(Order, { kinds: ['new'], overflow: 'dropOldest', queue: 1000 });
    const count = 500;
    for (let id = 0; id < count; id += 1)
      await db.records(Order).insert(order(id, { note: 'x'.repeat(1000) }));
    for (const feed of [few, many]) {
      const { value: gap } = await feed.next();
      assert.ok(gap?.kind === 'gap' && gap.from === from && gap.dropped === undefined);
      const next = await db.events.feed(Order, { kinds: ['new'], from: gap.to }).next();
      const keys: number[] = [];
      for await (const event of feed) {
        assert.ok(event.kind === 'new', 'one gap is enough');
        keys.push(event.key);
        if (event.key === count - 1) break;
      }
      assert.equal(keys[0], next.value?.key);
      assert.ok(feed === few ? keys.length === 3 : keys.length > 3);
      assert.equal(keys.length, count - Number(keys[0]));
    }
  });
});
