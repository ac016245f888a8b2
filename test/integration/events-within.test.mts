// What a handler may wait for, and what would wait for the handler.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DeadlockError, type ErrorPolicy, type Subscription } from '../../lib/index.ts';
import { Directory, Order, open, order } from './events-shop.mts';
import { until } from './harness.mts';

type Way = (call: () => Promise<unknown>) => unknown;

/** How a handler comes to wait for what it calls. */
const ways: Record<string, Way> = {
  'returns it': (call) => call(),
  'awaits it': async (call) => {
    await call();
  },
  'awaits it after something else': async (call) => {
    await delay(1);
    await Promise.all([call()]);
  },
  'awaits who calls it': async (call) => {
    const helper = async () => {
      await null;
      return call().then((value) => value);
    };
    await helper();
  },
};
const forms: Record<string, { readonly concurrency?: number; readonly onError?: ErrorPolicy }> = {
  'one at a time': {},
  'several at a time': { concurrency: 4 },
  'with a limit': { onError: { timeout: 600_000 } },
};

for (const [form, options] of Object.entries(forms)) {
  describe(`a handler, ${form}, that`, () => {
    for (const [how, way] of Object.entries(ways)) {
      test(`${how}: close() of the database is not waited for`, async () => {
        const db = await open();
        let isClosed = false;
        const subscription = await db.events.on(
          Order,
          'new',
          () =>
            way(async () => {
              await db.close({ timeout: 600_000 });
              isClosed = true;
            }),
          options as object,
        );
        await db.records(Order).insert(order(1));
        await subscription.closed;
        assert.ok(isClosed);
      });

      test(`${how}: close() that somebody else has called before does not wait for it any more`, async () => {
        const db = await open();
        let begin = (): void => {};
        const hasBegun = new Promise<void>((resolve) => {
          begin = resolve;
        });
        let isClosing = (): void => {};
        const closing = new Promise<void>((resolve) => {
          isClosing = resolve;
        });
        const subscription = await db.events.on(
          Order,
          'new',
          async () => {
            begin();
            await closing;
            await way(() => db.close());
          },
          options as object,
        );
        await db.records(Order).insert(order(1));
        await hasBegun;
        const closed = db.close({ timeout: 600_000 });
        isClosing();
        await closed;
        await subscription.closed;
      });

      test(`${how}: caughtUp() is refused`, async () => {
        await using db = await open();
        const outcomes: unknown[] = [];
        const subscription: Subscription = (await db.events.on(
          Order,
          'new',
          () => way(() => subscription.caughtUp().catch((error: unknown) => outcomes.push(error))),
          options as object,
        )) as Subscription;
        await db.records(Order).insert(order(1));
        await subscription.caughtUp();
        assert.ok(outcomes[0] instanceof DeadlockError);
        await subscription.close();
      });
    }

    test('awaits its own closed is told of the end', async () => {
      await using db = await open();
      let isTold = false;
      const subscription: Subscription = (await db.events.on(
        Order,
        'new',
        async () => {
          await subscription.close();
          await subscription.closed;
          isTold = true;
        },
        options as object,
      )) as Subscription;
      await db.records(Order).insert(order(1));
      await subscription.closed;
      assert.ok(isTold);
    });
  });
}

test('caughtUp() of another subscription in a handler, and of this one beside it, goes on as ever', async () => {
  await using db = await open();
  const other = await db.events.on(Order, 'new', () => {});
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  let isAtWork = false;
  const subscription = await db.events.on(Order, 'new', async () => {
    isAtWork = true;
    await other.caughtUp();
    await gate;
  });
  await db.records(Order).insert(order(1));
  await until(() => isAtWork);
  const caughtUp = subscription.caughtUp();
  go();
  await caughtUp;
  await subscription.close();
});

test('a durable subscription whose handler closes the database gives its name free, and is told the event again', async () => {
  await using directory = await Directory.make();
  {
    const db = await open({}, directory.url);
    const subscription = await db.events.durable('name', Order, () => db.close({ timeout: 600_000 }), {
      kinds: ['new'],
    });
    await db.records(Order).insert(order(1));
    await subscription.closed;
  }
  await using db = await open({}, directory.url);
  const told: unknown[] = [];
  const subscription = await db.events.durable('name', Order, ({ attempt }) => void told.push(attempt), {
    kinds: ['new'],
  });
  await subscription.caughtUp();
  assert.deepEqual(told, [2]);
  await subscription.close();
});

test('replayParked() in the handler of what is replayed is refused', async () => {
  await using db = await open();
  let isBroken = true;
  let refused: unknown;
  const subscription: Awaited<ReturnType<typeof hold>> = await hold();
  function hold() {
    return db.events.durable(
      'name',
      Order,
      async () => {
        if (isBroken) throw new Error('broken');
        await subscription.replayParked().catch((error: unknown) => {
          refused = error;
        });
      },
      { kinds: ['new'], onError: { outcome: 'park' } },
    );
  }
  await db.records(Order).insert(order(1));
  await subscription.caughtUp();
  isBroken = false;
  assert.equal(await subscription.replayParked(), 1);
  assert.ok(refused instanceof DeadlockError);
  await subscription.close();
});
