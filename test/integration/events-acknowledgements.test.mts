import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ConflictError,
  type DurableEventOf,
  InvalidArgumentError,
  SpecChangedError,
  SubscriptionBusyError,
} from '../../lib/index.ts';
import { readClock } from '../clock.mts';
import { Directory, Marker, Order, open, order, type Shop, short, told } from './events-shop.mts';
import { until } from './harness.mts';

type Told = DurableEventOf<typeof Order>;
type Durable = Awaited<ReturnType<typeof hold>>;

/** A holder of the name that keeps what it is told in `told`. */
function hold(
  db: Shop,
  told: Told[],
  options: Parameters<Shop['events']['durable']>[3] = {},
  handler: (event: Told) => unknown = () => {},
) {
  return db.events.durable(
    'name',
    Order,
    (event) => {
      told.push(event);
      return handler(event);
    },
    options as object,
  );
}

async function end(subscription: Durable): Promise<void> {
  await subscription.close();
  await subscription.closed;
}

/** What the next holder is told of what there is by now. */
async function next(db: Shop, options: Parameters<Shop['events']['durable']>[3] = {}): Promise<string[]> {
  const told: Told[] = [];
  const subscription = await hold(db, told, options, (event) => event.ack());
  await subscription.caughtUp();
  await end(subscription);
  return told.map(short);
}

async function insert(db: Shop, ...ids: number[]): Promise<void> {
  for (const id of ids) await db.records(Order).insert(order(id));
}

describe('acknowledgements by hand', () => {
  test('cover the event and those before it, not what was told since', async () => {
    await using db = await open();
    const told: Told[] = [];
    const subscription = await hold(db, told, { ack: 'manual' });
    await insert(db, 1, 2, 3);
    await until(() => told.length === 3);
    await told[1]?.ack();
    // Of no interest, and passed over: it must not take the third event with it.
    await db.records(Marker).insert({});
    await subscription.caughtUp();
    await end(subscription);
    assert.deepEqual(await next(db, { ack: 'manual' }), ['new 3']);
    assert.deepEqual(await next(db, { ack: 'manual' }), []);
  });

  test('may come in any order', async () => {
    await using db = await open();
    const told: Told[] = [];
    const subscription = await hold(db, told, { ack: 'manual' });
    await insert(db, 1, 2, 3);
    await until(() => told.length === 3);
    await told[1]?.ack();
    await told[0]?.ack();
    await end(subscription);
    assert.deepEqual(await next(db, { ack: 'manual' }), ['new 3']);
  });

  test('of everything that was told let pass what was of no interest meanwhile', async () => {
    await using db = await open({ retention: { maxBytes: 50_000 } });
    const told: Told[] = [];
    const subscription = await hold(db, told, { ack: 'manual', kinds: ['deleteAll'] });
    await insert(db, 1);
    await db.records(Order).deleteAll();
    for (let id = 0; id < 500; id += 1) await db.records(Order).insert(order(id, { note: 'x'.repeat(1000) }));
    await subscription.caughtUp();
    await told[0]?.ack();
    await end(subscription);
    // Otherwise its position were lost by now.
    assert.deepEqual(await next(db, { ack: 'manual', kinds: ['deleteAll'] }), []);
  });

  test('in a transaction that meets a conflict, or is given up, count once and never', async () => {
    await using db = await open();
    await insert(db, 1);
    const told: Told[] = [];
    let attempts = 0;
    const subscription = await hold(db, told, { ack: 'manual', from: 'beginning' }, async (event) => {
      if (event.kind !== 'new' || event.key !== 1) return;
      await db.transaction(async (tx) => {
        attempts += 1;
        await tx.records(Order).get(1);
        await event.ack(tx);
        if (attempts === 1) await db.records(Order).update(1, { customer: 2 });
        await tx.records(Order).update(1, { note: `attempt ${attempts}` });
      });
      const givenUp = db.transaction(
        async (tx) => {
          await event.ack(tx);
          await tx.records(Order).get(1);
          await db.records(Order).update(1, { customer: 3 });
          await tx.records(Order).update(1, { note: 'lost' });
        },
        { retries: 0 },
      );
      await assert.rejects(givenUp, ConflictError);
    });
    await subscription.caughtUp(1n);
    assert.equal(attempts, 2);
    await end(subscription);
    assert.equal((await db.records(Order).get(1))?.note, 'attempt 2');
    assert.ok(!(await next(db, { ack: 'manual' })).includes('new 1'));
  });

  test('of several events in one transaction are that of the last of them, in whatever order they are made', async () => {
    await using db = await open();
    const told: Told[] = [];
    const subscription = await hold(db, told, { ack: 'manual' });
    await insert(db, 1, 2, 3);
    await until(() => told.length === 3);
    await db.transaction(async (tx) => {
      await told[1]?.ack(tx);
      await told[0]?.ack(tx);
    });
    // As if its process had ended there: what it knows beside the database counts for nothing.
    const clock = readClock(() => Date.now() + 60_000);
    const again: Told[] = [];
    const successor = await hold(db, again, { ack: 'manual' });
    clock.restore();
    await successor.caughtUp();
    assert.deepEqual(again.map(short), ['new 3']);
    await subscription.close();
    await subscription.closed.catch(() => {});
    await end(successor);
  });

  test('in a transaction of another database are refused, and leave the position', async () => {
    await using db = await open();
    await using other = await open();
    const told: Told[] = [];
    const subscription = await hold(db, told, { ack: 'manual' });
    await insert(db, 1);
    await until(() => told.length === 1);
    const elsewhere = other.transaction(async (tx) => {
      await tx.records(Order).insert(order(1));
      await told[0]?.ack(tx);
    });
    await assert.rejects(
      elsewhere,
      (error) => error instanceof InvalidArgumentError && error.context.argument === 'transaction',
    );
    await end(subscription);
    assert.equal(await other.records(Order).exists(1), false);
    assert.deepEqual(await next(db, { ack: 'manual' }), ['new 1']);
  });
});

describe('the records that there are, then what follows', () => {
  for (const ack of ['auto', 'manual'] as const) {
    test(`come once, also when nothing followed (${ack})`, async () => {
      await using db = await open();
      await insert(db, 1, 2, 3);
      const options = { from: { snapshot: true }, ack } as const;
      assert.deepEqual(await next(db, options), ['snapshot 1', 'snapshot 2', 'snapshot 3']);
      assert.deepEqual(await next(db, options), []);
      await insert(db, 4);
      assert.deepEqual(await next(db, options), ['new 4']);
    });
  }

  test('are begun anew where they were not come to an end', async () => {
    await using db = await open();
    await insert(db, 1, 2, 3);
    const told: Told[] = [];
    const subscription = await hold(db, told, { from: { snapshot: true } }, () => {
      if (told.length === 2) throw new Error('enough');
    });
    await assert.rejects(subscription.closed, /enough/);
    await insert(db, 4);
    assert.deepEqual(await next(db), ['snapshot 1', 'snapshot 2', 'snapshot 3', 'snapshot 4']);
    assert.deepEqual(await next(db), []);
  });

  test('of a database that nothing was ever committed to are none', async () => {
    await using db = await open();
    assert.deepEqual(await next(db, { from: { snapshot: true } }), []);
    await insert(db, 1);
    assert.deepEqual(await next(db, { from: { snapshot: true } }), ['new 1']);
  });

  test('come once, too, where the position was lost', async () => {
    await using db = await open({ retention: { maxBytes: 50_000 } });
    assert.deepEqual(await next(db), []);
    for (let id = 0; id < 300; id += 1) await db.records(Order).insert(order(id, { note: 'x'.repeat(1000) }));
    assert.equal((await next(db, { onLost: 'snapshot' })).length, 300);
    assert.deepEqual(await next(db, { onLost: 'snapshot' }), []);
  });
});

describe('what is parked', () => {
  const options = { onError: { outcome: 'park' } } as const;

  test('is each event on its own, of an update too that is several, and comes back as what it was', async () => {
    await using directory = await Directory.make();
    const first = await open({}, directory.url);
    await insert(first, 1);
    const subscription = await hold(first, [], options, () => {
      throw new Error('broken');
    });
    await first.records(Order).update(1, { state: 7, note: 'x' });
    await first.records(Order).update(1, { state: 8 });
    await subscription.caughtUp();
    const kinds = ['update 1', 'fieldUpdate state 1', 'update 1', 'fieldUpdate state 1'];
    assert.deepEqual(
      subscription.parked().map(({ event, error, attempts }) => [short(event), error, attempts]),
      kinds.map((each) => [each, 'broken', 1]),
    );
    await end(subscription);
    await first.close();

    const db = await open({}, directory.url);
    const told: Told[] = [];
    const again = await hold(db, told, options);
    assert.equal(again.parked().length, 4);
    assert.equal(await again.replayParked(), 4);
    assert.deepEqual(told.map(short), kinds);
    assert.ok(told.every(({ redelivered, attempt }) => redelivered && attempt === 2));
    assert.deepEqual(
      told.map((event) => (event.kind === 'fieldUpdate' ? [event.before, event.after] : [])),
      [[], [1, 7], [], [7, 8]],
    );
    assert.deepEqual(again.parked(), []);
    await end(again);
    await db.close();
  });

  test('may be a record that was there', async () => {
    await using db = await open();
    await insert(db, 1, 2);
    let isBroken = true;
    const told: Told[] = [];
    const subscription = await hold(db, told, { ...options, from: { snapshot: true } }, (event) => {
      if (isBroken && event.kind === 'snapshot' && event.key === 1) throw new Error('broken');
    });
    await subscription.caughtUp();
    assert.deepEqual(told.map(short), ['snapshot 1', 'snapshot 2']);
    const before = subscription.parked();
    assert.deepEqual(
      before.map(({ event }) => short(event)),
      ['snapshot 1'],
    );
    assert.deepEqual(before[0]?.event.kind === 'snapshot' && before[0].event.after, {
      ...order(1),
      code: undefined,
    });
    isBroken = false;
    assert.equal(await subscription.replayParked(), 1);
    assert.deepEqual(subscription.parked(), []);
    await end(subscription);
  });
});

describe('the holder of a name', () => {
  test('that was taken for dead has no say any more, and is told so', async () => {
    await using db = await open();
    const past = readClock(() => Date.now() - 3_600_000);
    const told: Told[] = [];
    const first = await hold(db, told);
    past.restore();
    const second: Told[] = [];
    const taken = await hold(db, second);
    const stopped = assert.rejects(first.closed, SubscriptionBusyError);
    await insert(db, 1);
    await stopped;
    await taken.caughtUp();
    await end(taken);
    assert.deepEqual(second.map(short), ['new 1']);
    const late = told[0];
    if (late !== undefined) await assert.rejects(late.ack(), SubscriptionBusyError);
    assert.deepEqual(await next(db), []);
  });

  test('that asks for the victims of a deleteAll asks for other events, and leaves none behind', async () => {
    await using db = await open();
    assert.deepEqual(await next(db, { expandDeleteAll: true }), []);
    await assert.rejects(hold(db, []), SpecChangedError);
    await insert(db, 1);
    await db.records(Order).deleteAll();
    assert.deepEqual(await next(db, { expandDeleteAll: true }), ['new 1', 'deleteAll 1', 'delete 1']);
    assert.deepEqual(await next(db, { migrate: true }), []);
    await insert(db, 1);
    await db.records(Order).deleteAll();
    // The number that the journal has given to the marker says whether a victim stands before it.
    const feed = db.events.feed([Order, Marker], { from: 'beginning', kinds: ['new', 'deleteAll'] });
    const positions = (await told(db, feed)).map(({ position }) => position.split('.').slice(1).join('.'));
    feed.close();
    assert.equal(positions.length, 4);
    assert.deepEqual(
      positions.map((each) => each.endsWith('.0')),
      [false, true, false, false],
    );
    assert.deepEqual(await next(db), ['new 1', 'deleteAll 1']);
  });

  test('gives it free when it ends, also by its handler', async () => {
    await using db = await open();
    const broken = await hold(db, [], {}, () => {
      throw new Error('broken');
    });
    await insert(db, 1);
    await assert.rejects(broken.closed, /broken/);
    const told: Told[] = [];
    const after = await hold(db, told);
    await after.caughtUp();
    assert.deepEqual(
      told.map(({ redelivered, attempt }) => [redelivered, attempt]),
      [[true, 2]],
    );
    await end(after);
  });
});
