// What subscriptions and waits promise beyond the scenarios.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  ClosedError,
  connect,
  defineClass,
  EventBase,
  EventNotDeclaredError,
  field,
  InvalidArgumentError,
  onNew,
  PositionLostError,
} from '../../lib/index.ts';
import { inProcess, inWorker, messageOf } from '../faults/elsewhere.mts';
import { Directory, Marker, Order, open, order, type Shop, short, told } from './events-shop.mts';
import { until } from './harness.mts';

async function insert(db: Shop, ...ids: number[]): Promise<void> {
  for (const id of ids) await db.records(Order).insert(order(id));
}

/** The keys of the next events of a feed. */
async function keys(feed: AsyncIterator<{ readonly kind: string }>, count: number): Promise<unknown[]> {
  const all: unknown[] = [];
  for (let i = 0; i < count; i += 1) all.push(((await feed.next()).value as { key?: unknown }).key);
  return all;
}

describe('a bad argument is refused at the call, by name', () => {
  type Call = (db: Shop, options: never) => unknown;
  const feed: Call = (db, options) => db.events.feed(Order, options);
  const transactions: Call = (db, options) => db.events.transactions(Order, options);
  const on: Call = (db, options) => db.events.on(Order, 'new', () => {}, options);
  const durable: Call = (db, options) => db.events.durable('name', Order, () => {}, options);
  const wait: Call = (db, options) => db.events.wait('orderNew', options);

  async function refuses(call: () => unknown, argument: string): Promise<void> {
    await assert.rejects(
      async () => call(),
      (error) => error instanceof InvalidArgumentError && error.context.argument === argument,
      `${argument} should have been refused`,
    );
  }

  const cases: readonly (readonly [Call[], Record<string, unknown> | null, string])[] = [
    [[feed, transactions, on, durable], null, 'options'],
    [[feed, transactions, on, durable], { colour: 1 }, 'options'],
    [[feed, transactions, durable], { kinds: [] }, 'kinds'],
    [[feed, transactions, durable], { kinds: 'new' }, 'kinds'],
    [[feed, transactions, on, durable], { fields: ['colour'] }, 'fields'],
    [[feed, transactions, on, durable], { fields: [] }, 'fields'],
    [[feed, transactions, on, durable], { fields: null }, 'fields'],
    [[feed, transactions, on, durable], { where: null }, 'where'],
    [[feed, transactions, on, durable], { where: { colour: 1 } }, 'where'],
    [[feed, transactions, on, durable], { ignoreOrigin: 5 }, 'ignoreOrigin'],
    [[feed, transactions, on, durable], { granularity: 'all' }, 'granularity'],
    [[feed, transactions, on, durable], { expandDeleteAll: 1 }, 'expandDeleteAll'],
    [[feed, transactions, on, durable], { from: 5 }, 'from'],
    [[feed, transactions, on, durable], { from: null }, 'from'],
    [[feed, on], { overflow: 'block' }, 'overflow'],
    [[feed, on], { queue: 0 }, 'queue'],
    [[feed, on], { queue: '5' }, 'queue'],
    [[on, durable], { onError: null }, 'onError'],
    [[on, durable], { onError: { action: 'skip' } }, 'onError'],
    [[on, durable], { onError: { retries: -1 } }, 'onError.retries'],
    [[on, durable], { onError: { backoff: Number.NaN } }, 'onError.backoff'],
    [[on, durable], { onError: { timeout: 0 } }, 'onError.timeout'],
    [[on], { onError: { outcome: 'park' } }, 'onError.outcome'],
    [[durable], { from: { snapshot: false } }, 'from'],
    [[durable], { ack: 'never' }, 'ack'],
    [[durable], { ackWithin: 1 }, 'ackWithin'],
    [[durable], { migrate: 1 }, 'migrate'],
    [[durable], { onLost: 'cry' }, 'onLost'],
    [[durable], { wait: -1 }, 'wait'],
    [[wait], { timeout: -1 }, 'timeout'],
    [[wait], { signal: {} }, 'signal'],
  ];
  for (const [calls, options, argument] of cases) {
    test(`${argument}: ${JSON.stringify(options)}`, async () => {
      await using db = await open();
      for (const call of calls) await refuses(() => call(db, options as never), argument);
    });
  }

  test('classes, handlers and names', async () => {
    await using db = await open();
    const none = undefined as unknown as typeof Order;
    await refuses(() => db.events.feed([]), 'classes');
    await refuses(() => db.events.feed(none), 'class');
    await refuses(() => db.events.on(Order, 'new', none as never), 'handler');
    for (const name of ['', 'a b', 'x'.repeat(129), 5 as unknown as string]) {
      await refuses(() => db.events.durable(name, Order, () => {}), 'name');
      await refuses(() => db.events.forget(name), 'name');
    }
  });

  test('a value that a field cannot have is a ValidationError', async () => {
    await using db = await open();
    assert.throws(() => db.events.feed(Order, { where: { customer: 'x' } }), { code: 'EVENKEEL_VALIDATION' });
  });

  test('an event that is not declared', async () => {
    await using db = await open();
    const wrong = ['fieldUpdate:note', 'gone'] as unknown as ['new'];
    assert.throws(() => db.events.feed(Order, { kinds: wrong }), EventNotDeclaredError);
    assert.throws(() => db.events.transactions(Order, { kinds: wrong }), EventNotDeclaredError);
    await assert.rejects(
      db.events.on(Order, wrong, () => {}),
      EventNotDeclaredError,
    );
    await assert.rejects(
      db.events.durable('name', Order, () => {}, { kinds: wrong }),
      EventNotDeclaredError,
    );
    for (const name of ['gone', 0, 99, 1.5] as unknown as ['orderNew'])
      await assert.rejects(db.events.wait(name), EventNotDeclaredError);
    // What was refused has left nothing: the name is free.
    assert.equal(await db.events.forget('name'), false);
  });
});

describe('a position to go on from', () => {
  test('of a feed that was left in the middle of what it had read is behind what was asked for', async () => {
    await using db = await open();
    const feed = db.events.feed(Order);
    await insert(db, 1, 2, 3, 4, 5);
    assert.deepEqual(await keys(feed, 2), [1, 2]);
    feed.close();
    const rest = db.events.feed(Order, { from: feed.position });
    assert.deepEqual(await keys(rest, 3), [3, 4, 5]);
    const transactions = db.events.transactions(Order, { from: 'beginning' });
    for await (const { seq } of transactions) if (seq === 2n) break;
    const others = db.events.feed(Order, { from: transactions.position });
    assert.deepEqual(await keys(others, 3), [3, 4, 5]);
    rest.close();
    others.close();
  });

  test('of a feed that nothing was asked of is where it began', async () => {
    await using db = await open();
    const feed = db.events.feed(Order);
    await insert(db, 1);
    feed.close();
    const rest = db.events.feed(Order, { from: feed.position });
    assert.deepEqual(await keys(rest, 1), [1]);
    rest.close();
  });

  test('of a subscription that was closed in its handler is behind what was handled', async () => {
    await using db = await open();
    const subscription = await db.events.on(Order, 'new', (event) => {
      if (event.key === 3) void subscription.close();
    });
    await db.transaction((tx) =>
      Promise.all([1, 2, 3, 4, 5].map((id) => tx.records(Order).insert(order(id)))),
    );
    await subscription.closed;
    const rest = db.events.feed(Order, { from: subscription.position });
    assert.deepEqual(await keys(rest, 2), [4, 5]);
    rest.close();
  });

  test('of an update that is several events leaves as many as are counted', async () => {
    await using db = await open();
    await insert(db, 1);
    const feed = db.events.feed(Order);
    for (const state of [2, 3]) await db.records(Order).update(1, { state });
    const from = (await feed.next()).value?.position as string;
    const rest = ['fieldUpdate state 1', 'update 1', 'fieldUpdate state 1'];
    const limited = db.events.feed(Order, { from, overflow: 'error', queue: rest.length });
    for (const each of rest) assert.equal(short((await limited.next()).value as never), each);
    const dropping = db.events.feed(Order, { from, overflow: 'dropOldest', queue: 2 });
    const { value } = await dropping.next();
    assert.ok(value?.kind === 'gap' && value.dropped === 1);
  });

  test('of an update that is several events is between them, for those who see them otherwise, too', async () => {
    await using db = await open();
    await insert(db, 1);
    const feed = db.events.feed(Order, { kinds: ['update', 'fieldUpdate:state'] });
    await db.records(Order).update(1, { state: 2 });
    await insert(db, 2);
    const first = (await feed.next()).value;
    assert.equal(first && short(first), 'update 1');
    const rest = db.events.feed(Order, { from: feed.position });
    assert.deepEqual(
      [(await rest.next()).value, (await rest.next()).value].map((each) => each && short(each)),
      ['fieldUpdate state 1', 'new 2'],
    );
    const others = db.events.feed(Order, { kinds: ['new'], from: feed.position });
    assert.deepEqual(await keys(others, 1), [2]);
    for (const each of [feed, rest, others]) each.close();
  });
});

describe('a feed', () => {
  test('of some fields is told of updates of these alone', async () => {
    await using db = await open();
    await insert(db, 1);
    const feed = db.events.feed([Order, Marker], { kinds: ['update', 'new'], from: 'now' });
    const notes = db.events.feed(Order, { kinds: ['update'], fields: ['note', 'customer'] });
    await db.records(Order).update(1, { state: 2 });
    await db.records(Order).update(1, { note: 'a' });
    await db.records(Order).update(1, { state: 3, customer: 2 });
    assert.equal((await told(db, feed)).length, 3);
    const changed = [(await notes.next()).value?.changed, (await notes.next()).value?.changed];
    assert.deepEqual(changed, [['note'], ['customer', 'state']]);
    feed.close();
    notes.close();
  });

  test('of transactions has each with what is seen of it, whether or not that is asked for', async () => {
    await using db = await open();
    const feed = db.events.transactions([Order, Marker], { kinds: ['new'] });
    await db.transaction(
      async (tx) => {
        for (const id of [1, 2, 3]) await tx.records(Order).insert(order(id));
        await tx.records(Order).update(1, { state: 2 });
      },
      { origin: 'test', meta: { from: 'here' } },
    );
    await db.records(Order).update(1, { state: 3 });
    await insert(db, 4);
    await db.records(Marker).insert({});
    const seen: unknown[] = [];
    for await (const { seq, count, origin, meta, events } of feed) {
      const all: string[] = [];
      for await (const event of events) {
        all.push(short(event));
        if (all.length === 2) break;
      }
      seen.push([seq, count, origin, meta, all]);
      if (seq === 4n) break;
    }
    assert.deepEqual(seen, [
      [1n, 3, 'test', { from: 'here' }, ['new 1', 'new 2']],
      [3n, 1, undefined, undefined, ['new 4']],
      [4n, 1, undefined, undefined, ['new 1']],
    ]);
  });
});

describe('a subscription', () => {
  test('can be waited for: up to a transaction that is still to come, or until it has ended', async () => {
    await using db = await open();
    const seen: number[] = [];
    const subscription = await db.events.on(Order, 'new', (event) => void seen.push(event.key));
    const third = subscription.caughtUp(3n);
    await insert(db, 1, 2);
    await subscription.caughtUp();
    assert.deepEqual(seen, [1, 2]);
    await insert(db, 3);
    await third;
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(subscription.stats, { delivered: 3, retried: 0, dropped: 0, failed: 0, lag: 0 });
    const never = subscription.caughtUp(99n);
    await subscription.close();
    await assert.rejects(never, ClosedError);
    await assert.rejects(subscription.caughtUp(99n), ClosedError);
    await subscription.caughtUp(3n);
  });

  test('that is too slow for what is kept ends with PositionLostError', async () => {
    await using db = await open({ retention: { maxBytes: 50_000 } });
    let go: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const subscription = await db.events.on(Order, 'new', () => gate);
    const feed = db.events.feed(Order);
    const note = 'x'.repeat(1000);
    await db.records(Order).insert(order(0, { note }));
    await until(() => subscription.stats.lag > 0);
    for (let id = 1; id < 500; id += 1) await db.records(Order).insert(order(id, { note }));
    go();
    const lost = (error: unknown) => {
      assert.ok(error instanceof PositionLostError);
      const rest = db.events.feed(Order, { from: error.context.oldest ?? '' });
      rest.close();
      return true;
    };
    await assert.rejects(subscription.closed, lost);
    await assert.rejects(feed.next(), lost);
    assert.deepEqual(await feed.next(), { done: true, value: undefined });
  });

  test('has little in memory of large records that wait', async () => {
    const Blob = defineClass('Blob', {
      key: 'id',
      fields: { id: field.uint32(), bytes: field.bytes() },
      events: [onNew()],
    });
    await using db = await connect('embedded:', { classes: [Blob] });
    const count = 128;
    for (let id = 0; id < count; id += 1)
      await db.records(Blob).insert({ id, bytes: Buffer.alloc(1 << 20, id) });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const handler = (): void => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    };
    await using subscription = await db.events.on(Blob, 'new', handler, { from: 'beginning' });
    await subscription.caughtUp();
    assert.equal(subscription.stats.delivered, count);
    assert.ok(most < 0.75 * count * 2 ** 20, `${most} bytes`);
  });

  test('works from a thread base, its durable position, too', async () => {
    await using base = EventBase.create();
    await using db = await open();
    const { events } = db.via(base);
    const seen: unknown[] = [];
    const subscription = await events.on(Order, 'new', (event) => void seen.push(event.key));
    const durable = await events.durable('name', Order, (event) => void seen.push(event.kind));
    await insert(db, 1);
    await subscription.caughtUp();
    await durable.caughtUp();
    assert.deepEqual(new Set(seen), new Set([1, 'new']));
    await durable.close();
    await durable.closed;
    assert.equal(await events.forget('name'), true);
    await subscription.close();
  });
});

describe('the end of a database', () => {
  test('ends feeds, waits and subscriptions, and there are no new ones', async () => {
    const db = await open();
    const feed = db.events.feed(Order);
    const looped = (async () => {
      const all = [];
      for await (const event of feed) all.push(event.kind);
      return all;
    })();
    const subscription = await db.events.on(Order, 'new', () => {});
    const durable = await db.events.durable('name', Order, () => {});
    const connection = db.events.connection();
    const waiting = [db.events.wait('orderNew'), connection.wait('orderNew')];
    const { events } = db;
    await insert(db, 1);
    await subscription.caughtUp();
    await durable.caughtUp();
    const released = [db.events.wait('Order.update'), connection.wait('Order.update')];
    for (const each of waiting) assert.equal((await each).status, 'event');
    await db.close();
    assert.deepEqual(await looped, ['new']);
    for (const each of released) assert.deepEqual(await each, { status: 'released' });
    await subscription.closed;
    await durable.closed;
    assert.throws(() => events.feed(Order), ClosedError);
    await assert.rejects(
      events.on(Order, 'new', () => {}),
      ClosedError,
    );
    await assert.rejects(
      events.durable('name', Order, () => {}),
      ClosedError,
    );
  });

  test('is that of its subscriptions, also where another has the same directory open', async () => {
    await using directory = await Directory.make();
    await using other = await open({}, directory.url);
    const db = await open({}, directory.url);
    const { events } = db;
    await db.close();
    for (const options of [{}, { expandDeleteAll: true }]) {
      assert.throws(() => events.feed(Order, options), ClosedError);
      assert.throws(() => events.transactions(Order, options), ClosedError);
      await assert.rejects(
        events.on(Order, 'delete', () => {}, options),
        ClosedError,
      );
      await assert.rejects(
        events.durable('name', Order, () => {}, options),
        ClosedError,
      );
    }
    // Nor does anybody want the victims of a deleteAll any more.
    await other.records(Order).insert(order(1));
    const from = other.events.position;
    await other.records(Order).deleteAll();
    await other.records(Order).insert(order(2));
    const feed = other.events.feed(Order, { from, expandDeleteAll: true });
    assert.deepEqual(
      [(await feed.next()).value, (await feed.next()).value].map((event) => event && short(event)),
      ['deleteAll 1', 'new 2'],
    );
  });

  test('waits for handlers at work, but not for ever', async () => {
    const db = await open();
    let state = 'not called';
    await db.events.on(Order, 'new', async () => {
      state = 'begun';
      for (let i = 0; i < 20; i += 1) await setImmediate();
      state = 'done';
    });
    await insert(db, 1);
    await until(() => state === 'begun');
    await db.close();
    assert.equal(state, 'done');

    const other = await open();
    let isCalled = false;
    await other.events.on(Order, 'new', () => {
      isCalled = true;
      return new Promise(() => {});
    });
    await insert(other, 1);
    await until(() => isCalled);
    await other.close({ timeout: 20 });
  });

  test('does not wait for a handler that is to be tried again in an hour', async () => {
    const db = await open({ timeout: 600_000 }); // for which close() would wait
    let calls = 0;
    const subscription = await db.events.on(
      Order,
      'new',
      () => {
        calls += 1;
        throw new Error('not yet');
      },
      { onError: { retries: 1, backoff: 3_600_000 } },
    );
    await insert(db, 1);
    await until(() => calls === 1);
    await db.close();
    await subscription.closed;
    assert.equal(calls, 1);
  });

  test('leaves another on the same directory as it is, which is told what it wrote', async () => {
    await using directory = await Directory.make();
    const first = await open({}, directory.url);
    await using second = await open({}, directory.url);
    const feeds = [first.events.feed(Order), second.events.feed(Order)];
    await insert(first, 1);
    await insert(second, 2);
    for (const feed of feeds) assert.deepEqual(await keys(feed, 2), [1, 2]);
    await first.close();
    assert.deepEqual(await feeds[0]?.next(), { done: true, value: undefined });
    await insert(second, 3);
    assert.equal((await feeds[1]?.next())?.value?.kind, 'new');
    feeds[1]?.close();
  });
});

describe('waits', () => {
  test('lose nothing to an abort or a release, at whatever moment it comes', async () => {
    await using db = await open();
    for (const way of ['abort', 'release'] as const) {
      for (let turns = 0; turns < 12; turns += 1) {
        const id = turns + (way === 'abort' ? 0 : 100);
        const connection = db.events.connection();
        const feed = db.events.feed(Order, { kinds: ['new'] });
        const controller = new AbortController();
        const waiting = connection
          .wait('orderNew', { signal: controller.signal })
          .catch(() => ({ status: 'aborted' }) as const);
        const interrupted = feed.next().then(async () => {
          for (let i = 0; i < turns; i += 1) await undefined;
          if (way === 'abort') controller.abort();
          else connection.releaseAll();
        });
        await insert(db, id);
        await interrupted;
        const result = await waiting;
        connection.reset();
        const later = result.status === 'event' ? result : await connection.wait('orderNew', { timeout: 0 });
        assert.ok(later.status === 'event' && later.event.key === id, `${way} after ${turns} turns`);
        connection.close();
        feed.close();
      }
    }
  });

  test('that begin in one turn are told the same event, committed before it or after, and one after the other the next', async () => {
    await using db = await open();
    const three = () => Promise.all([1, 2, 3].map(() => db.events.wait('orderNew', { timeout: 60_000 })));
    const keys = (results: Awaited<ReturnType<typeof three>>) =>
      results.map((each) =>
        each.status === 'event' && each.event.kind === 'new' ? each.event.key : each.status,
      );
    db.events.listen('orderNew');
    for (const id of [1, 2, 3]) await db.records(Order).insert(order(id));
    assert.deepEqual(keys(await three()), [1, 1, 1]);
    // Those that are told together wait together again, whoever of them is told first.
    const seen: unknown[][] = await Promise.all(
      [1, 2].map(async () => [
        ...keys([await db.events.wait('orderNew')]),
        ...keys([await db.events.wait('orderNew')]),
      ]),
    );
    assert.deepEqual(seen, [
      [2, 3],
      [2, 3],
    ]);
    const waiting = three();
    await db.records(Order).insert(order(4));
    assert.deepEqual(keys(await waiting), [4, 4, 4]);
    // One that only looks is told with those that wait, and takes nothing from them.
    await db.records(Order).insert(order(5));
    const both = [db.events.wait('orderNew'), db.events.wait('orderNew', { timeout: 0 })];
    assert.deepEqual(keys(await Promise.all(both)), [5, 5]);
    const patient = db.events.wait('orderNew');
    assert.deepEqual(await db.events.wait('orderNew', { timeout: 0 }), { status: 'timeout' });
    await db.records(Order).insert(order(6));
    assert.deepEqual(keys([await patient]), [6]);
  });

  test('that go through much of no interest are told the same event, as any that wait at the same time', async () => {
    await using db = await open();
    db.events.listen('orderNew');
    const patient = { timeout: 60_000 };
    await Promise.all(Array.from({ length: 40_000 }, () => db.records(Marker).insert({}, patient)));
    const waiting = [1, 2, 3].map(() => db.events.wait('orderNew', patient));
    await insert(db, 1);
    const told = (await Promise.all(waiting)).map((each) => each.status === 'event' && each.event.key);
    assert.deepEqual(told, [1, 1, 1]);
    await insert(db, 2);
    assert.equal((await db.events.wait('orderNew', { timeout: 0 })).status, 'event');
    assert.equal((await db.events.wait('orderNew', { timeout: 0 })).status, 'timeout');
  });

  test('of a connection that was closed leave nothing in memory', async () => {
    await using db = await open();
    const refs = await (async () => {
      const all: WeakRef<object>[] = [];
      for (let i = 0; i < 20; i += 1) {
        const connection = db.events.connection();
        await connection.wait('orderNew', { timeout: 0 });
        connection.close();
        all.push(new WeakRef(connection));
      }
      return all;
    })();
    for (let i = 0; i < 20 && refs.some((each) => each.deref()); i += 1) {
      await setImmediate();
      global.gc?.();
    }
    assert.ok(refs.filter((each) => each.deref() !== undefined).length <= 1);
    await insert(db, 1);
  });
});

describe('a process', () => {
  test('says what stopped a subscription that nobody looks at, and goes on', async () => {
    const ended = await inProcess(async ({ evenkeel, say }) => {
      const { connect, defineClass, field, onNew } = evenkeel;
      const Order = defineClass('Order', { key: 'id', fields: { id: field.uint32() }, events: [onNew()] });
      process.on('unhandledRejection', () => say('unhandled'));
      process.on('warning', (warning) => say(`warning: ${warning.message}`));
      const db = await connect('embedded:', { classes: [Order] });
      const looked = await db.events.on(Order, 'new', () => Promise.reject(new Error('looked at')));
      looked.closed.catch((error) => say(`closed: ${error.message}`));
      await db.events.on(Order, 'new', () => {
        throw new Error('not looked at');
      });
      await db.records(Order).insert({ id: 1 });
    });
    assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr);
    assert.deepEqual([...ended.lines].sort(), ['closed: looked at', 'warning: not looked at']);
    assert.match(ended.stderr, /not looked at/);
  });

  for (const what of ['on', 'durable', 'feed', 'wait'] as const) {
    test(`stays for a subscription (${what}), and ends when that is over`, async () => {
      const ended = await inProcess(async ({ evenkeel, say }, what) => {
        const { connect, defineClass, field, onNew } = evenkeel;
        const Order = defineClass('Order', { key: 'id', fields: { id: field.uint32() }, events: [onNew()] });
        const db = await connect('embedded:', { classes: [Order] });
        const { events } = db;
        const close =
          what === 'feed'
            ? () => feed.close()
            : what === 'wait'
              ? () => events.releaseAll()
              : await (async () => {
                  const subscription = await (what === 'on'
                    ? events.on(Order, 'new', () => {})
                    : events.durable('name', Order, () => {}));
                  return () => subscription.close();
                })();
        const feed = what === 'feed' ? events.feed(Order) : { close() {} };
        if (what === 'wait') void events.wait('Order.new').then(({ status }) => say(status));
        setTimeout(() => {
          say('closing');
          void close();
        }, 300).unref();
        process.on('exit', () => say('exit'));
      }, what);
      assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr);
      assert.deepEqual(ended.lines, ['closing', ...(what === 'wait' ? ['released'] : []), 'exit']);
    });
  }

  test('goes on when a worker with subscriptions is terminated', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    // The workers are not writing themselves, positions neither, when they end.
    for (let round = 0; round < 3; round += 1) {
      const worker = inWorker(
        async ({ evenkeel, workers }, { url, round }) => {
          const db = await evenkeel.connect(url);
          const order = db.classes.find(({ name }) => name === 'Order');
          if (order === undefined) throw new Error('there is no class');
          const events = db.events as unknown as import('../../lib/index.ts').Events<[typeof Order]>;
          await events.on(order as typeof Order, 'new', (event) =>
            workers.parentPort?.postMessage(event.key),
          );
          await events.durable(`worker-${round}`, order as typeof Order, () => {}, { ack: 'manual' });
          void events.wait('orderNew');
          workers.parentPort?.postMessage('live');
        },
        { url: directory.url, round },
      );
      assert.equal(await messageOf(worker), 'live');
      const heard = messageOf(worker);
      await insert(db, round);
      assert.equal(await heard, round);
      const ended = once(worker, 'exit');
      void db.records(Order).update(round, { state: 2 });
      await worker.terminate();
      await ended;
    }
    const feed = db.events.feed(Order);
    await insert(db, 100);
    for (let event = await feed.next(); event.value?.kind !== 'new'; event = await feed.next());
    feed.close();
  });
});
