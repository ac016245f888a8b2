// What is committed with an acknowledgement is done once, however the call that did it ends.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AlreadyAcknowledgedError,
  connect,
  type DurableEventOf,
  type DurableOptions,
  defineClass,
  type EmbeddedConnectOptions,
  type ErrorPolicy,
  field,
  onNew,
  SubscriptionBusyError,
} from '../../lib/index.ts';
import { readClock, timeOutAtOnce } from '../clock.mts';
import { until } from './harness.mts';

const Order = defineClass('Order', { key: 'id', fields: { id: field.uint32() }, events: [onNew()] });
/** One for each time that an order was billed. */
const Bill = defineClass('Bill', { key: 'id', fields: { id: field.autoid(), order: field.uint32() } });
const classes = [Order, Bill] as const;

type Told = DurableEventOf<typeof Order>;
type Options = DurableOptions<typeof Order>;

const open = (options: EmbeddedConnectOptions<typeof classes> = {}) =>
  connect('embedded:', { ...options, classes });
type Shop = Awaited<ReturnType<typeof open>>;

const broken = new Error('after the commit');

const bill = (db: Shop, event: Told, options: { readonly signal?: AbortSignal } = {}): Promise<void> =>
  db.transaction(async (tx) => {
    if (!('key' in event)) return;
    await tx.records(Bill).insert({ order: event.key });
    await event.ack(tx);
  }, options);

function hold(db: Shop, handler: (event: Told) => unknown, options: Options = {}) {
  return db.events.durable('billing', Order, handler, { from: 'beginning', ack: 'manual', ...options });
}

async function insert(db: Shop, ...ids: number[]): Promise<void> {
  for (const id of ids) await db.records(Order).insert({ id });
}

async function billed(db: Shop): Promise<number[]> {
  return (await db.records(Bill).find().all()).map(({ order }) => order).sort((a, b) => a - b);
}

type Durable = Awaited<ReturnType<typeof hold>>;

async function end(subscription: Durable): Promise<void> {
  await subscription.close();
  await subscription.closed.catch(() => {});
}

let minutes = 0;

/** The next holder, as if the one before had died: its lease has run out. */
async function takeOver(db: Shop, handler: (event: Told) => unknown, options?: Options): Promise<Durable> {
  minutes += 1;
  const clock = readClock(() => Date.now() + minutes * 60_000);
  const successor = await hold(db, handler, options);
  clock.restore();
  return successor;
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('a handler that fails after its acknowledgement', () => {
  const policies: Record<string, ErrorPolicy> = {
    'is not called again': { retries: 3, backoff: 1 },
    'is not called again, nor its event parked': { retries: 3, backoff: 1, outcome: 'park' },
    'has nothing parked': { outcome: 'park' },
    'is passed over': { outcome: 'skip' },
  };
  for (const [what, onError] of Object.entries(policies)) {
    for (const ack of ['auto', 'manual'] as const) {
      test(`${what} (${ack})`, async () => {
        await using db = await open();
        const calls: unknown[] = [];
        const subscription = await hold(
          db,
          async (event) => {
            calls.push('key' in event && event.key);
            await bill(db, event);
            throw broken;
          },
          { onError, ack },
        );
        await insert(db, 1, 2);
        await subscription.caughtUp();
        assert.deepEqual([calls, subscription.parked()], [[1, 2], []]);
        assert.equal(await subscription.replayParked(), 0);
        await end(subscription);
        assert.deepEqual(await billed(db), [1, 2]);
      });
    }
  }

  test('stops its subscription where that is what errors do; the next holder goes on behind it', async () => {
    await using db = await open();
    const first = await hold(db, async (event) => {
      await bill(db, event);
      throw broken;
    });
    await insert(db, 1, 2);
    await assert.rejects(first.closed, broken);
    const second = await hold(db, (event) => bill(db, event));
    await second.caughtUp();
    await end(second);
    assert.deepEqual(await billed(db), [1, 2]);
  });

  test('is not called again either where the acknowledgement was no part of a transaction', async () => {
    await using db = await open();
    let calls = 0;
    const subscription = await hold(
      db,
      async (event) => {
        calls += 1;
        await event.ack();
        throw broken;
      },
      { onError: { retries: 3, backoff: 1, outcome: 'park' } },
    );
    await insert(db, 1);
    await subscription.caughtUp();
    assert.deepEqual([calls, subscription.parked()], [1, []]);
    await end(subscription);
  });

  test('is not called again for a record that was there', async () => {
    await using db = await open();
    await insert(db, 1, 2);
    const calls: unknown[] = [];
    const subscription = await hold(
      db,
      async (event) => {
        calls.push(event.kind);
        await bill(db, event);
        throw broken;
      },
      { from: { snapshot: true }, onError: { retries: 3, backoff: 1, outcome: 'park' } },
    );
    await subscription.caughtUp();
    assert.deepEqual([calls, subscription.parked()], [['snapshot', 'snapshot'], []]);
    await end(subscription);
    assert.deepEqual(await billed(db), [1, 2]);
  });

  test('because the commit was not waited for, has it counted when it is found to be made', async () => {
    let onCommit = (): void => {};
    const clock = (): number => {
      onCommit();
      return Date.now();
    };
    await using db = await open({ clock });
    let calls = 0;
    const subscription = await hold(
      db,
      async (event) => {
        calls += 1;
        const controller = new AbortController();
        const committing = bill(db, event, calls === 1 ? { signal: controller.signal } : {});
        // In the middle of the commit the caller gives up: whether it is made is not known then.
        if (calls === 1) onCommit = () => setImmediate(() => controller.abort(broken));
        await committing;
      },
      { onError: { retries: 5, backoff: 1, outcome: 'park' } },
    );
    await insert(db, 1);
    await subscription.caughtUp();
    await end(subscription);
    assert.deepEqual([await billed(db), subscription.parked()], [[1], []]);
  });
});

describe('a handler that is late', () => {
  test('and the call after it do what they do once, whichever comes first', async () => {
    for (const first of [1, 2]) {
      await using db = await open();
      const gates = [gate(), gate()];
      const outcomes: Promise<unknown>[] = [];
      let calls = 0;
      const subscription = await hold(
        db,
        async (event) => {
          const call = calls;
          calls += 1;
          const done = Promise.resolve(gates[call]?.opened).then(() => bill(db, event));
          outcomes.push(
            done.then(
              () => 'billed',
              (error: unknown) => error,
            ),
          );
          await done;
        },
        { onError: { retries: 1, backoff: 1, timeout: 100, outcome: 'park' } },
      );
      await insert(db, 1);
      await until(() => calls === 2);
      gates[first - 1]?.open();
      assert.equal(await outcomes[first - 1], 'billed');
      gates[2 - first]?.open();
      assert.ok((await outcomes[2 - first]) instanceof AlreadyAcknowledgedError);
      await subscription.caughtUp();
      assert.equal(await subscription.replayParked(), 0);
      await end(subscription);
      assert.deepEqual(await billed(db), [1]);
    }
  });

  test('and whose event was parked meanwhile takes it back, with all that is done with it', async () => {
    await using db = await open();
    const late = gate();
    let calls = 0;
    let done: Promise<void> | undefined;
    const subscription = await hold(
      db,
      (event) => {
        calls += 1;
        done = late.opened.then(() => bill(db, event));
        return done;
      },
      { onError: { timeout: 20, outcome: 'park' } },
    );
    await insert(db, 1);
    await until(() => subscription.parked().length === 1);
    late.open();
    await done;
    assert.deepEqual(subscription.parked(), []);
    assert.deepEqual([await subscription.replayParked(), calls], [0, 1]);
    await end(subscription);
    assert.deepEqual(await billed(db), [1]);
  });

  test('and whose event was replayed meanwhile is refused', async (t) => {
    // The first call has no time, the replay has enough.
    const timeout = 599_999;
    for (const ack of ['auto', 'manual'] as const) {
      await using db = await open();
      const late = gate();
      let done: Promise<unknown> | undefined;
      const hurry = timeOutAtOnce(timeout);
      t.after(() => hurry.restore());
      const subscription = await hold(
        db,
        (event) => {
          if (done !== undefined) return bill(db, event);
          done = late.opened.then(() => bill(db, event));
          done.catch(() => {});
          return done;
        },
        { onError: { timeout, outcome: 'park' }, ack },
      );
      await insert(db, 1);
      await until(() => subscription.parked().length === 1);
      hurry.restore();
      assert.equal(await subscription.replayParked(), 1);
      late.open();
      await assert.rejects(done ?? Promise.resolve(), AlreadyAcknowledgedError);
      await end(subscription);
      assert.deepEqual(await billed(db), [1]);
    }
  });
});

describe('an acknowledgement in a transaction', () => {
  test('of what is acknowledged already fails it, and nothing of it is written', async () => {
    await using db = await open();
    const told: Told[] = [];
    const subscription = await hold(db, (event) => void told.push(event));
    await insert(db, 1, 2, 3);
    await until(() => told.length === 3);
    const [first, second, third] = told as [Told, Told, Told];
    await bill(db, second);
    for (const again of [second, first]) await assert.rejects(bill(db, again), AlreadyAcknowledgedError);
    await third.ack();
    await assert.rejects(bill(db, third), AlreadyAcknowledgedError);
    await end(subscription);
    assert.deepEqual(await billed(db), [2]);
  });

  test('may be made twice in the same one', async () => {
    await using db = await open();
    const subscription = await hold(db, (event) =>
      db.transaction(async (tx) => {
        await event.ack(tx);
        await event.ack(tx);
      }),
    );
    await insert(db, 1);
    await subscription.caughtUp();
    await end(subscription);
  });

  test('of a name that was given up and made anew is none of the old one', async () => {
    await using db = await open();
    const told: Told[] = [];
    const old = await hold(db, (event) => void told.push(event));
    old.closed.catch(() => {});
    await insert(db, 1);
    await until(() => told.length === 1);
    const clock = readClock(() => Date.now() + 60_000);
    assert.equal(await db.events.forget('billing'), true);
    clock.restore();
    const again = await hold(db, (event) => bill(db, event));
    await again.caughtUp();
    await assert.rejects(bill(db, told[0] as Told), SubscriptionBusyError);
    await end(again);
    assert.deepEqual(await billed(db), [1]);
  });
});

describe('an event that is parked', () => {
  const onError = { outcome: 'park' } as const;

  test('before its position is written down is not told to the next holder as well', async () => {
    await using db = await open();
    const first = await hold(
      db,
      (event) => {
        if ('key' in event && event.key === 2) throw broken; // and the first is not acknowledged
      },
      { onError },
    );
    first.closed.catch(() => {});
    await insert(db, 1, 2, 3);
    await first.caughtUp();
    const told: unknown[] = [];
    const second = await takeOver(
      db,
      (event) => {
        told.push('key' in event && event.key);
        return bill(db, event);
      },
      { onError },
    );
    await second.caughtUp();
    assert.deepEqual(told, [1, 3]);
    assert.deepEqual([await second.replayParked(), told], [1, [1, 3, 2]]);
    await end(second);
    assert.deepEqual(await billed(db), [1, 2, 3]);
    // Nothing is left of what had to be known of it.
    const third = await hold(db, () => assert.fail());
    await third.caughtUp();
    assert.deepEqual(third.parked(), []);
    await end(third);
  });

  test('and replayed before its position is written down is not told to the next holder', async () => {
    await using db = await open();
    let isBroken = true;
    const first = await hold(
      db,
      async (event) => {
        if (!('key' in event) || event.key !== 2) return;
        if (isBroken) throw broken;
        await bill(db, event);
      },
      { onError },
    );
    first.closed.catch(() => {});
    await insert(db, 1, 2, 3);
    await first.caughtUp();
    isBroken = false;
    assert.equal(await first.replayParked(), 1);
    for (let round = 0; round < 2; round += 1) {
      const told: unknown[] = [];
      const next = await takeOver(db, (event) => void told.push('key' in event && event.key), { onError });
      next.closed.catch(() => {});
      await next.caughtUp();
      assert.deepEqual(told, [1, 3]);
    }
    const last = await takeOver(db, (event) => bill(db, event), { onError });
    await last.caughtUp();
    await end(last);
    assert.deepEqual(await billed(db), [1, 2, 3]);
  });

  test('is replayed by who holds the name, and by nobody who has lost it or ended', async () => {
    await using db = await open();
    let isBroken = true;
    const handler = async (event: Told): Promise<void> => {
      if (isBroken) throw broken;
      await bill(db, event);
    };
    const first = await hold(db, handler, { onError });
    first.closed.catch(() => {});
    await insert(db, 1);
    await first.caughtUp();
    const second = await takeOver(db, handler, { onError });
    isBroken = false;
    await assert.rejects(first.replayParked(), SubscriptionBusyError);
    assert.deepEqual(await billed(db), []);
    await end(second);
    await assert.rejects(second.replayParked(), /ended/);
    const third = await hold(db, handler, { onError });
    assert.equal(await third.replayParked(), 1);
    await end(third);
    assert.deepEqual(await billed(db), [1]);
  });

  test('is acknowledged once, also when its replay fails after that', async () => {
    await using db = await open();
    let isBroken = true;
    let last: Told | undefined;
    const subscription = await hold(
      db,
      async (event) => {
        if (isBroken) throw broken;
        last = event;
        await bill(db, event);
        throw broken;
      },
      { onError },
    );
    await insert(db, 1);
    await subscription.caughtUp();
    isBroken = false;
    assert.equal(await subscription.replayParked(), 1);
    await assert.rejects(bill(db, last as Told), AlreadyAcknowledgedError);
    assert.deepEqual(subscription.parked(), []);
    await end(subscription);
    assert.deepEqual(await billed(db), [1]);
  });

  test('is no record of a beginning that was not come to its end: all are told anew', async () => {
    await using db = await open();
    await insert(db, 1, 2);
    const from = { snapshot: true } as const;
    const first = await hold(
      db,
      (event) => {
        if ('key' in event && event.key === 1) throw broken;
        return new Promise((resolve) => setImmediate(resolve)).then(() => first.close());
      },
      { from, onError },
    );
    await first.closed;
    assert.equal(first.parked().length, 1);
    const told: unknown[] = [];
    const second = await hold(db, (event) => void told.push('key' in event && event.key), { from, onError });
    await second.caughtUp();
    assert.deepEqual([told, second.parked()], [[1, 2], []]);
    await end(second);
  });
});
