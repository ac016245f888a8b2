import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Directory, Order, open, order, type Shop } from './events-shop.mts';

const RECORDS = 1_000_000;
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

/** ms that deleteAll takes, and bytes that it adds to what the process holds. */
async function deleteAll(db: Shop): Promise<{ readonly took: number; readonly grew: number }> {
  global.gc?.();
  const before = process.memoryUsage().rss;
  const start = performance.now();
  assert.equal(await db.records(Order).deleteAll(), RECORDS);
  const took = performance.now() - start;
  return { took, grew: process.memoryUsage().rss - before };
}

test('scenario 13: a million records are removed with one event, in the time and memory it takes without', async () => {
  await using directory = await Directory.make();
  const db = await open({ durability: 'none' }, directory.url);
  await fill(db);
  const without = await deleteAll(db);
  await fill(db);
  const told: unknown[] = [];
  const subscription = await db.events.on(Order, ['delete', 'deleteAll'], (event) => {
    told.push(event.kind === 'deleteAll' ? event.count : event.kind);
  });
  const withOne = await deleteAll(db);
  await subscription.caughtUp();
  assert.deepEqual(told, [RECORDS]);
  assert.ok(withOne.grew < 16 * MIB, `it took ${(withOne.grew / MIB).toFixed(1)} MiB`);
  // Both take some tens of milliseconds, which a busy machine can double.
  assert.ok(withOne.took <= 2 * without.took + 100, `${withOne.took} ms with, ${without.took} ms without`);
  await subscription.close();
  await db.close();
});
