// A durable subscription while what it has to write down cannot be written.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mock, test } from 'node:test';
import { PositionLostError, StorageError } from '../../lib/index.ts';
import { Order, open, order } from './events-shop.mts';
import { until } from './harness.mts';

const { TreeNotes } = createRequire(import.meta.url)('../../dist/engines/embedded/notes.js') as {
  TreeNotes: { readonly prototype: { write(): Promise<unknown> } };
};

test('goes on when the disk has room again: what was told is acknowledged, and what failed is parked', async () => {
  await using db = await open();
  const told: unknown[] = [];
  const options = { kinds: ['new'], onError: { outcome: 'park' } } as const;
  const subscription = await db.events.durable(
    'name',
    Order,
    (event) => {
      told.push('key' in event && event.key);
      if ('key' in event && event.key === 2) throw new Error('broken');
    },
    options,
  );
  await db.records(Order).insert(order(1));
  await subscription.caughtUp();
  const full = mock.method(TreeNotes.prototype, 'write', () =>
    Promise.reject(new StorageError('the disk is full')),
  );
  for (const id of [2, 3]) await db.records(Order).insert(order(id));
  const refused = full.mock.callCount();
  await until(() => full.mock.callCount() > refused + 1);
  full.mock.restore();
  await subscription.caughtUp();
  assert.deepEqual(told, [1, 2, 3]);
  assert.equal(subscription.parked().length, 1);
  await subscription.close();
  await subscription.closed;
  const next = await db.events.durable('name', Order, () => assert.fail(), options);
  await next.caughtUp();
  await next.close();
});

test('parks an event whose change is not kept any more', async () => {
  await using db = await open({ retention: { maxBytes: 50_000 } });
  const subscription = await db.events.durable(
    'name',
    Order,
    async (event) => {
      if ('key' in event && event.key !== 0) return;
      const note = 'x'.repeat(1000);
      for (let id = 1; id < 500; id += 1) await db.records(Order).insert(order(id, { note }));
      throw new Error('broken');
    },
    { kinds: ['new'], onError: { outcome: 'park' } },
  );
  await db.records(Order).insert(order(0));
  // What came after it is lost, and that is said; not so the event.
  await assert.rejects(subscription.closed, PositionLostError);
  const [parked] = subscription.parked();
  assert.ok(parked?.event.kind === 'new' && parked.event.key === 0 && parked.event.after.customer === 1);
});
