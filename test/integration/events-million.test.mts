import assert from 'node:assert/strict';
import { test } from 'node:test';
import { long } from '../effort.mts';
import { Directory, Order, open, order, type Shop } from './events-shop.mts';

const RECORDS = long ? 1_000_000 : 100_000;
const BATCH = 10_000;
const MIB = 1 << 20;

async function fill(db: Shop): Promise<void> {
  for (let from = 0; from < RECORDS; from += BATCH) {
    await db.transaction((tx) => {
      const orders = tx.records(Order);
      return Promise.all(Array.from({ length: BATCH }, (_each, i) => orders.insert(order(from + i))));
    });
  }
}

/** Bytes that deleteAll adds to what the process holds. */
async function deleteAll(db: Shop): Promise<number> {
  global.gc?.();
  const before = process.memoryUsage().rss;
  assert.equal(await db.records(Order).deleteAll(), RECORDS);
  return process.memoryUsage().rss - before;
}

test('scenario 13: very many records are removed with one event, in no more memory', async () => {
  await using directory = await Directory.make();
  const db = await open({ durability: 'none' }, directory.url);
  await fill(db);
  await deleteAll(db);
  await fill(db);
  const told: unknown[] = [];
  const subscription = await db.events.on(Order, ['delete', 'deleteAll'], (event) => {
    told.push(event.kind === 'deleteAll' ? event.count : event.kind);
  });
  const grew = await deleteAll(db);
  await subscription.caughtUp();
  assert.deepEqual(told, [RECORDS]);
  assert.ok(grew < 16 * MIB, `it took ${(grew / MIB).toFixed(1)} MiB`);
  await subscription.close();
  await db.close();
});
