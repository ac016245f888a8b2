import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  ClosedError,
  defineClass,
  field,
  index,
  KeyExistsError,
  onCheckpoint,
  onNew,
  type RecordOf,
  type Transaction,
  uniqueIndex,
} from '../../lib/index.ts';
import { onBothKinds } from './embedded.mts';

const Own = defineClass('Own', { key: 'id', fields: { id: field.uint32(), v: field.uint32() } });
const Auto = defineClass('Auto', {
  key: 'id',
  fields: { id: field.autoid(), v: field.uint32(), name: field.optional(field.string()) },
  indexes: { byV: index('v'), byName: uniqueIndex('name') },
  events: [onNew(), onCheckpoint()],
});
const classes = [Own, Auto] as const;
type AutoRecord = RecordOf<typeof Auto>;

/** More than the numbers that are reserved at once. */
const MANY = 200;
const values = (records: readonly { v: number }[]): number[] => records.map(({ v }) => v);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Has it fail by itself, with nobody to hear of it. */
const forget = (promise: Promise<unknown>): void => void promise.catch(() => {});

onBothKinds('a transaction whose function ends before what it has begun', (open) => {
  const ways = {
    transaction:
      (db: Awaited<ReturnType<typeof open<typeof classes>>>) => (fn: (tx: Transaction) => unknown) =>
        db.transaction(fn),
    prepare:
      (db: Awaited<ReturnType<typeof open<typeof classes>>>) => async (fn: (tx: Transaction) => unknown) =>
        (await db.prepare(fn)).commit(),
  };

  for (const [name, way] of Object.entries(ways)) {
    test(`${name}: has inserts that wait for their numbers`, async () => {
      await using db = await open({ classes });
      const inserted: Promise<AutoRecord>[] = [];
      await way(db)((tx) => {
        for (const v of upTo(MANY)) inserted.push(tx.records(Auto).insert({ v, name: undefined }));
        forget(tx.records(Own).insert({ id: 1, v: 1 }));
        forget(tx.upsert('plain', 1));
      });
      assert.deepEqual(values(await db.records(Auto).find().all()), upTo(MANY));
      assert.deepEqual(values(await Promise.all(inserted)), upTo(MANY));
      assert.equal(await db.records(Own).exists(1), true);
      assert.equal(await db.get('plain'), 1);
    });
  }

  test('has what was begun behind such an insert, in its order', async () => {
    await using db = await open({ classes });
    await using feed = db.events.feed(Auto, { granularity: 'each' });
    const seen: Promise<unknown>[] = [];
    const removed: Promise<number>[] = [];
    await db.transaction((tx) => {
      const autos = tx.records(Auto);
      for (const v of upTo(MANY)) forget(autos.insert({ v, name: undefined }));
      seen.push(autos.find().count(), autos.find({ index: 'byV', from: 100 }).count(), autos.get(1n));
      forget(tx.checkpoint());
      removed.push(autos.deleteAll());
      seen.push(autos.find().first(), autos.exists(1n));
      forget(autos.insert({ v: 999, name: undefined }));
    });
    const [all, some, first, none, exists] = await Promise.all(seen);
    assert.deepEqual([all, some, none, exists], [MANY, MANY - 100, undefined, false]);
    assert.equal((first as AutoRecord).v, 0);
    assert.deepEqual(await Promise.all(removed), [MANY]);
    assert.deepEqual(values(await db.records(Auto).find().all()), [999]);
    const kinds: string[] = [];
    for await (const { kind } of feed) if (kinds.push(kind) === 2 * MANY + 1) break;
    assert.deepEqual(kinds, [...Array(MANY).fill('new'), ...Array(MANY).fill('checkpoint'), 'new']);
  });

  test('has all that goes on without waiting for anything else', async () => {
    await using db = await open({ classes });
    for (const id of upTo(10)) await db.records(Own).insert({ id, v: 0 });
    await db.transaction((tx) => {
      // As forEach is written with an async function.
      for (const id of upTo(100))
        forget(
          (async () => {
            const owns = tx.records(Own);
            const record = await owns.get(id);
            if (record === undefined) await owns.insert({ id, v: 1 });
            else await owns.update(id, { v: record.v + 1 });
            await tx.records(Auto).insert({ v: id, name: undefined });
            await tx.increment('count', { initial: 1 });
          })(),
        );
    });
    assert.deepEqual(values(await db.records(Own).find().all()), Array(100).fill(1));
    assert.equal(await db.records(Auto).find().count(), 100);
    assert.equal(await db.increment('count', { delta: 0n }), 100n);
  });

  test('is refused when a loop over records has not ended', async () => {
    await using db = await open({ classes });
    for (const id of upTo(10)) await db.records(Own).insert({ id, v: 0 });
    const doubling = async (tx: Transaction): Promise<void> => {
      for await (const { id } of tx.records(Own).find()) {
        await tx.records(Own).update(id, { v: 1 });
        await turn();
      }
    };
    await assert.rejects(
      db.transaction((tx) => forget(doubling(tx))),
      ClosedError,
    );
    assert.deepEqual(values(await db.records(Own).find().all()), Array(10).fill(0));
    await db.transaction(doubling);
    assert.deepEqual(values(await db.records(Own).find().all()), Array(10).fill(1));
  });

  test('is refused when something is begun in it before it is committed', async () => {
    await using db = await open({ classes });
    const begin: Record<string, (tx: Transaction) => unknown> = {
      insert: (tx) => tx.records(Own).insert({ id: 2, v: 2 }),
      find: (tx) => tx.records(Own).find().all(),
      plain: (tx) => tx.upsert('late', 1),
      checkpoint: (tx) => tx.checkpoint(),
    };
    for (const [name, late] of Object.entries(begin)) {
      // Nobody commits while it is undecided.
      const held = await db.prepare((tx) => tx.upsert('held', 1));
      let transaction: Transaction | undefined;
      const committed = db.transaction(async (tx) => {
        transaction = tx;
        await tx.upsert('own', 1);
      });
      const outcome = assert.rejects(committed, ClosedError, name);
      await turn();
      await assert.rejects(async () => late(transaction as Transaction), ClosedError, name);
      await held.commit();
      await outcome;
      assert.equal(await db.get('own'), undefined, name);
    }
  });

  test('fails with what fails when its function cannot hear of it', async () => {
    await using db = await open({ classes });
    await db.records(Auto).insert({ v: 0, name: 'taken' });
    const transaction = db.transaction((tx) => {
      for (const v of upTo(MANY)) forget(tx.records(Auto).insert({ v, name: undefined }));
      forget(tx.records(Auto).insert({ v: 0, name: 'taken' }));
    });
    await assert.rejects(transaction, KeyExistsError);
    assert.equal(await db.records(Auto).find().count(), 1);
  });
});
