// What a durable subscription promises beyond the scenarios, which are in events-scenarios-processes.test.mts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  ClosedError,
  type DurableEventOf,
  type DurableOptions,
  EventBase,
  SpecChangedError,
  type Subscription,
  SubscriptionBusyError,
} from '../../lib/index.ts';
import { readClock } from '../clock.mts';
import { pause } from '../pause.mts';
import { Directory, Marker, Order, open, order, type Shop, short } from './events-shop.mts';
import { until } from './harness.mts';

type Event = DurableEventOf<typeof Order>;
type Ending = Pick<Subscription, 'close' | 'closed'>;

const keyOf = (event: Event): number | undefined => ('key' in event ? event.key : undefined);

/** A subscription to inserts of orders. */
function holdNew(db: Shop, handler: (event: Event) => unknown, options: DurableOptions<typeof Order> = {}) {
  return db.events.durable('name', Order, handler, { kinds: ['new'], ...options });
}

async function end(subscription: Ending): Promise<void> {
  await subscription.close();
  await subscription.closed.catch(() => {});
}

async function insert(db: Shop, ...ids: number[]): Promise<void> {
  for (const id of ids) await db.records(Order).insert(order(id));
}

const insertTogether = (db: Shop, ...ids: number[]): Promise<unknown> =>
  db.transaction((tx) => Promise.all(ids.map((id) => tx.records(Order).insert(order(id)))));

/** What the next holder is told of all there is: key, whether it is marked as told before, and the attempt. */
async function toldNext(db: Shop, options: DurableOptions<typeof Order> = {}): Promise<unknown[]> {
  const told: unknown[] = [];
  const subscription = await holdNew(
    db,
    (event) => void told.push([keyOf(event), event.redelivered, event.attempt]),
    options,
  );
  await subscription.caughtUp();
  await end(subscription);
  return told;
}

describe('a position', () => {
  test('is where it was acknowledged, however much has been told since', async () => {
    await using db = await open();
    const events: Event[] = [];
    const subscription = await holdNew(db, (event) => void events.push(event), { ack: 'manual' });
    await insert(db, 1, 2, 3);
    await subscription.caughtUp();
    await events[0]?.ack();
    await insert(db, 4);
    await subscription.caughtUp();
    await end(subscription);
    assert.deepEqual(await toldNext(db, { ack: 'manual' }), [
      [2, true, 2],
      [3, true, 2],
      [4, true, 2],
    ]);
  });

  test('does not move by an event that is acknowledged while it is handled, but those after it are not', async () => {
    await using db = await open();
    const subscription = await holdNew(db, (event) => (keyOf(event) === 2 ? event.ack() : undefined), {
      ack: 'manual',
    });
    await insertTogether(db, 1, 2, 3);
    await subscription.caughtUp();
    await end(subscription);
    assert.deepEqual(await toldNext(db, { ack: 'manual' }), [[3, true, 2]]);
  });

  test('of one that was never told anything is as unmarked as before', async () => {
    await using db = await open();
    await end(await holdNew(db, () => {}));
    await insert(db, 1);
    assert.deepEqual(await toldNext(db), [[1, false, 1]]);
    assert.deepEqual(await toldNext(db), []);
  });

  test('of a transaction that was told by half is before it, and what is told again says so', async () => {
    await using db = await open();
    const subscription: Ending = await holdNew(db, (event) => {
      if (keyOf(event) === 2) void subscription.close();
    });
    await insertTogether(db, 1, 2, 3);
    await subscription.closed;
    const told = await toldNext(db);
    assert.deepEqual(told.slice(0, 2), [
      [1, true, 2],
      [2, true, 2],
    ]);
    assert.deepEqual((told[2] as unknown[])[0], 3);
    assert.deepEqual(await toldNext(db), []);
  });

  test('with ackWithin is in the middle of it, and nothing is told again', async () => {
    await using db = await open();
    const subscription: Ending = await holdNew(
      db,
      (event) => {
        if (keyOf(event) === 2) void subscription.close();
      },
      { ackWithin: true },
    );
    await insertTogether(db, 1, 2, 3);
    await subscription.closed;
    assert.deepEqual(await toldNext(db, { ackWithin: true }), [[3, false, 1]]);
  });

  test('keeps what it says of an event for a holder that leaves before telling it', async () => {
    await using db = await open();
    const failing = await holdNew(db, () => {
      throw new Error('no');
    });
    await insert(db, 1);
    await assert.rejects(failing.closed);
    await end(await holdNew(db, () => {}));
    assert.deepEqual(await toldNext(db), [[1, true, 2]]);
  });
});

describe('an acknowledgement', () => {
  test('after the end counts while nobody else holds the name, and does not take it again', async () => {
    await using db = await open();
    const events: Event[] = [];
    const subscription = await holdNew(db, (event) => void events.push(event), { ack: 'manual' });
    await insert(db, 1, 2);
    await subscription.caughtUp();
    await end(subscription);
    await events[0]?.ack();
    assert.deepEqual(await toldNext(db, { ack: 'manual' }), [[2, true, 2]]);
    await assert.rejects(async () => events[1]?.ack(), SubscriptionBusyError);
  });

  test('in a transaction that meets a conflict is made once, with the attempt that is committed', async () => {
    await using db = await open();
    await insert(db, 100);
    let attempts = 0;
    const subscription = await holdNew(
      db,
      (event) =>
        db.transaction(async (tx) => {
          const { state } = (await tx.records(Order).get(100)) ?? order(100);
          await tx.records(Order).update(100, { state: state + 10 });
          await event.ack(tx);
          attempts += 1;
          if (attempts === 1) await db.records(Order).update(100, { state: 5 });
        }),
      { ack: 'manual' },
    );
    await insert(db, 1);
    await subscription.caughtUp();
    await end(subscription);
    assert.equal(attempts, 2);
    assert.equal((await db.records(Order).get(100))?.state, 15);
    assert.deepEqual(await toldNext(db, { ack: 'manual' }), []);
  });

  test('in a transaction that is given up is none', async () => {
    await using db = await open();
    const subscription = await holdNew(
      db,
      (event) =>
        db
          .transaction(async (tx) => {
            await event.ack(tx);
            throw new Error('given up');
          })
          .catch(() => {}),
      { ack: 'manual' },
    );
    await insert(db, 1);
    await subscription.caughtUp();
    await end(subscription);
    assert.deepEqual(await toldNext(db, { ack: 'manual' }), [[1, true, 2]]);
  });

  test('of a holder whose lease has run out is refused, with all that its transaction wrote', async () => {
    await using db = await open();
    const events: Event[] = [];
    const old = await holdNew(db, (event) => void events.push(event), { ack: 'manual' });
    const stopped = assert.rejects(old.closed, SubscriptionBusyError);
    await insert(db, 1);
    await old.caughtUp();
    const clock = readClock(() => Date.now() + 60_000);
    const successor = await holdNew(db, () => {}, { ack: 'manual' });
    clock.restore();
    await assert.rejects(
      db.transaction(async (tx) => {
        await tx.records(Order).insert(order(2));
        await events[0]?.ack(tx);
      }),
      SubscriptionBusyError,
    );
    assert.equal(await db.records(Order).exists(2), false);
    await assert.rejects(async () => events[0]?.ack(), SubscriptionBusyError);
    await stopped;
    await end(successor);
  });
});

describe('events that are parked', () => {
  const park = { onError: { outcome: 'park' } } as const;
  const changes = ['update', 'fieldUpdate:state'] as const;

  test('are each kept and told again as what they were, over a restart', async () => {
    await using directory = await Directory.make();
    let isBroken = true;
    const told: string[] = [];
    const handler = (event: Event): void => {
      if (isBroken) throw new Error(`cannot do ${short(event)}`);
      told.push(short(event));
    };
    const expected = ['update 1', 'fieldUpdate state 1', 'update 2', 'fieldUpdate state 2'];
    {
      await using db = await open({}, directory.url);
      await insert(db, 1, 2);
      const subscription = await db.events.durable('name', Order, handler, { kinds: changes, ...park });
      await db.transaction(async (tx) => {
        for (const id of [1, 2]) await tx.records(Order).update(id, { state: 2 });
      });
      await subscription.caughtUp();
      assert.deepEqual(
        subscription.parked().map(({ event, error }) => [short(event), error]),
        expected.map((each) => [each, `cannot do ${each}`]),
      );
    }
    await using db = await open({}, directory.url);
    const subscription = await db.events.durable('name', Order, handler, { kinds: changes, ...park });
    assert.equal(await subscription.replayParked(), 0);
    isBroken = false;
    assert.equal(await subscription.replayParked(), 4);
    assert.deepEqual(told, expected);
    assert.deepEqual(subscription.parked(), []);
    await end(subscription);
  });

  test('are given to the handler once, also when that is asked for twice at a time', async () => {
    await using db = await open();
    let isBroken = true;
    const told: string[] = [];
    const subscription = await holdNew(
      db,
      async (event) => {
        if (isBroken) throw new Error('broken');
        told.push(short(event));
        await setImmediate();
      },
      park,
    );
    await insert(db, 1, 2);
    await subscription.caughtUp();
    isBroken = false;
    assert.deepEqual(await Promise.all([subscription.replayParked(), subscription.replayParked()]), [2, 0]);
    assert.deepEqual(told, ['new 1', 'new 2']);
    await end(subscription);
  });

  test('are done with in the transaction that acknowledges them, also when their handler fails after it', async () => {
    await using db = await open();
    let isBroken = true;
    const subscription = await db.events.durable(
      'name',
      Order,
      async (event) => {
        if (keyOf(event) === 100) return;
        if (isBroken) throw new Error('broken');
        await db.transaction(async (tx) => {
          await tx.records(Order).upsert(order(100, { state: Number(keyOf(event)) }));
          await event.ack(tx);
        });
        throw new Error('after the commit');
      },
      { kinds: ['new'], ...park },
    );
    await insert(db, 1);
    await subscription.caughtUp();
    assert.equal(subscription.parked().length, 1);
    isBroken = false;
    assert.equal(await subscription.replayParked(), 1);
    assert.deepEqual(subscription.parked(), []);
    assert.equal((await db.records(Order).get(100))?.state, 1);
    await end(subscription);
  });
});

describe('what is thrown', () => {
  const things = [undefined, null, 0, Symbol('thing'), Object.create(null), new Proxy({}, { get: () => {} })];

  test('may be anything: it is parked, or it is what the subscription ends with', async (t) => {
    const warnings = t.mock.method(process, 'emitWarning', () => {});
    for (const thing of things) {
      await using db = await open();
      const fail = (): never => {
        throw thing;
      };
      const parking = await holdNew(db, fail, { onError: { outcome: 'park' } });
      const stopping = await db.events.on(Order, 'new', fail);
      const ended = stopping.closed.then(
        () => 'nothing',
        (error: unknown) => error,
      );
      await db.events.on(Order, 'new', fail);
      await insert(db, 1);
      await parking.caughtUp();
      assert.deepEqual(
        parking.parked().map(({ error }) => typeof error),
        ['string'],
      );
      assert.ok((await ended) === thing);
    }
    assert.equal(warnings.mock.callCount(), things.length);
  });
});

describe('a writer that has too much to do', () => {
  test('delays what is acknowledged and parked, and ends nobody', async () => {
    await using db = await open({ maxQueued: 8 });
    const subscription = await holdNew(
      db,
      (event) => {
        if (Number(keyOf(event)) % 50 === 0) throw new Error('no');
      },
      { onError: { outcome: 'park' } },
    );
    let id = 0;
    const write = async (): Promise<void> => {
      while (id < 2000)
        await db
          .records(Order)
          .insert(order(++id))
          .catch(() => setImmediate());
    };
    await Promise.all(Array.from({ length: 20 }, write));
    await subscription.caughtUp();
    await end(subscription);
    const inserted = await db.records(Order).find().all();
    assert.equal(subscription.stats.delivered, inserted.length);
    assert.equal(subscription.parked().length, inserted.filter((each) => each.id % 50 === 0).length);
    assert.deepEqual(await toldNext(db), []);
  });

  test('because somebody has the lock for longer than a write may take, neither', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    await using hasty = await open({ timeout: 1500 }, directory.url);
    const subscription = await holdNew(hasty, () => {});
    await insert(db, 1);
    await setImmediate();
    const prepared = await db.prepare((tx) => tx.records(Order).insert(order(2)));
    await pause(1800);
    await prepared.commit();
    await subscription.caughtUp();
    await end(subscription);
    assert.deepEqual(await toldNext(db), []);
  });
});

describe('a durable subscription', () => {
  test('is for the same events in whatever order, or how often, they are named', async () => {
    await using db = await open();
    await insert(db, 1);
    const told: string[] = [];
    const hold = (options: DurableOptions<typeof Order>, classes: readonly (typeof Order)[] = [Order]) =>
      db.events.durable('name', classes, (event) => void told.push(short(event)), options);
    await end(
      await hold({ kinds: ['new', 'delete'], fields: ['state', 'note'], where: { state: 1, note: '' } }),
    );
    const again = await hold(
      {
        kinds: ['delete', 'new', 'new'],
        fields: ['note', 'state'],
        where: { note: '', state: 1 },
        granularity: 'net',
      },
      [Order, Order],
    );
    await end(again);
    await assert.rejects(hold({ kinds: ['new'] }), SpecChangedError);
    const snapshot = await db.events.durable(
      'other',
      [Order, Order],
      (event) => void told.push(short(event)),
      {
        from: { snapshot: true },
      },
    );
    await snapshot.caughtUp();
    await end(snapshot);
    assert.deepEqual(told, ['snapshot 1']);
  });

  test('gives its name free when its event base is closed, with where it was', async () => {
    await using db = await open();
    await using base = EventBase.create();
    const subscription = await db.via(base).events.durable('name', Order, () => {});
    const ended = assert.rejects(subscription.closed, ClosedError);
    await insert(db, 1);
    await subscription.caughtUp();
    await base.close();
    await ended;
    const next = await db.events.durable('name', Order, (event) => assert.fail(short(event)));
    await next.caughtUp();
    await end(next);
    assert.throws(() => db.via(base), ClosedError);
  });

  test('that is taken over for fewer classes is told no parked record of the others', async () => {
    await using db = await open();
    await insert(db, 1);
    await db.records(Marker).insert({});
    const first = await db.events.durable(
      'name',
      [Order, Marker],
      () => {
        throw new Error('no');
      },
      { from: { snapshot: true }, onError: { outcome: 'park' } },
    );
    await first.caughtUp();
    assert.equal(first.parked().length, 2);
    await end(first);
    const second = await db.events.durable('name', Order, () => {}, { migrate: true });
    assert.deepEqual(
      second.parked().map(({ event }) => short(event)),
      ['snapshot 1'],
    );
    assert.equal(await second.replayParked(), 1);
    await end(second);
  });

  test('may park records of its snapshot', async () => {
    await using db = await open();
    await insert(db, 1, 2);
    let isBroken = true;
    const told: unknown[] = [];
    const subscription = await db.events.durable(
      'name',
      Order,
      (event) => {
        if (isBroken && keyOf(event) === 1) throw new Error('broken');
        told.push([short(event), 'after' in event && event.after]);
      },
      { from: { snapshot: true }, onError: { outcome: 'park' } },
    );
    await until(() => told.length === 1);
    await insert(db, 3);
    await subscription.caughtUp();
    assert.deepEqual(
      subscription.parked().map(({ event }) => short(event)),
      ['snapshot 1'],
    );
    isBroken = false;
    assert.equal(await subscription.replayParked(), 1);
    const whole = (id: number) => ({ ...order(id), code: undefined });
    assert.deepEqual(told, [
      ['snapshot 2', whole(2)],
      ['new 3', whole(3)],
      ['snapshot 1', whole(1)],
    ]);
    await end(subscription);
  });

  test('with a condition has those records snapshotted that meet it', async () => {
    await using db = await open();
    for (let id = 0; id < 1000; id += 1) await db.records(Order).insert(order(id, { customer: id % 10 }));
    const told: unknown[] = [];
    const subscription = await db.events.durable('name', Order, (event) => void told.push(keyOf(event)), {
      from: { snapshot: true },
      where: { customer: 7 },
    });
    await db.records(Order).insert(order(1007, { customer: 7 }));
    await db.records(Order).insert(order(1008, { customer: 8 }));
    await until(() => told.length > 100);
    await subscription.caughtUp();
    assert.deepEqual(
      told,
      Array.from({ length: 101 }, (_each, i) => i * 10 + 7),
    );
    await end(subscription);
  });

  test('that ends in the middle of its snapshot begins it anew, marked as told', async () => {
    await using db = await open();
    await insert(db, 1, 2, 3);
    const first: Ending = await holdNew(db, () => void first.close(), { from: { snapshot: true } });
    await first.closed;
    assert.deepEqual(await toldNext(db), [
      [1, true, 2],
      [2, true, 2],
      [3, true, 2],
    ]);
    assert.deepEqual(await toldNext(db), []);
  });

  test('is made for or without the victims of deleteAll', async () => {
    await using db = await open();
    await end(await holdNew(db, () => {}));
    await assert.rejects(
      holdNew(db, () => {}, { expandDeleteAll: true }),
      SpecChangedError,
    );
  });

  test('that is closed while it waits to try again is over at once: its event is told to the next', async () => {
    for (const outcome of ['stop', 'skip', 'park'] as const) {
      await using db = await open();
      let calls = 0;
      const subscription = await holdNew(
        db,
        () => {
          calls += 1;
          throw new Error('not yet');
        },
        { onError: { retries: 5, backoff: 3_600_000, outcome } },
      );
      await insert(db, 1);
      await until(() => calls === 1);
      await setImmediate();
      await subscription.close();
      await subscription.closed;
      assert.equal(calls, 1);
      assert.deepEqual(subscription.parked(), []);
      assert.deepEqual(await toldNext(db), [[1, true, 2]]);
    }
  });
});
