import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EpochMismatchError, InvalidArgumentError, OverflowError } from '../../lib/index.ts';
import { Directory, Marker, Order, open, order, short } from './events-shop.mts';
import { until } from './harness.mts';

const both = [Order, Marker] as const;

/** Resolves when it is opened. */
class Gate {
  readonly #opened: Promise<void>;
  open: () => void = () => {};
  constructor() {
    this.#opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
  passed(): Promise<void> {
    return this.#opened;
  }
}

describe('handlers', () => {
  test('scenario 23: one that throws stops its subscription, visibly, and no other', async () => {
    await using db = await open();
    const seen: number[] = [];
    const others: number[] = [];
    const failure = new Error('on the second');
    const subscription = await db.events.on(Order, ['new'], (event) => {
      seen.push(event.key);
      if (event.key === 2) throw failure;
    });
    const other = await db.events.on(Order, ['new'], (event) => void others.push(event.key));
    const durable = await db.events.durable('billing', Order, (event) => {
      if (event.kind === 'new' && event.key === 2) throw failure;
    });
    for (let id = 1; id <= 3; id += 1) await db.records(Order).insert(order(id));
    await assert.rejects(subscription.closed, failure);
    await assert.rejects(durable.closed, failure);
    await other.caughtUp();
    assert.deepEqual(
      [seen, others],
      [
        [1, 2],
        [1, 2, 3],
      ],
    );
    const again: unknown[] = [];
    const reopened = await db.events.durable('billing', Order, (event) => {
      if (event.kind === 'new') again.push([event.key, event.redelivered, event.attempt]);
    });
    await reopened.caughtUp();
    assert.deepEqual(again, [
      [2, true, 2],
      [3, false, 1],
    ]);
    await reopened.close();
    await other.close();
  });

  test('scenario 24: retries, then parked: its followers go on, and it is told once more when that is asked for', async () => {
    await using db = await open();
    const calls: number[] = [];
    let isBroken = true;
    const handler = (event: { readonly kind: string; readonly key?: number }): void => {
      if (event.kind !== 'new' || event.key === undefined) return;
      calls.push(event.key);
      if (event.key === 2 && isBroken) throw new Error('broken');
    };
    const options = { onError: { retries: 3, backoff: 1, outcome: 'park' } } as const;
    const subscription = await db.events.durable('parking', Order, handler, options);
    for (let id = 1; id <= 3; id += 1) await db.records(Order).insert(order(id));
    await subscription.caughtUp();
    assert.deepEqual(calls, [1, 2, 2, 2, 2, 3]);
    const parked = subscription.parked();
    assert.deepEqual(
      parked.map(({ event, error, attempts }) => [short(event), error, attempts]),
      [['new 2', 'broken', 4]],
    );
    assert.equal(await subscription.replayParked(), 0);
    isBroken = false;
    await subscription.close();
    await subscription.closed;
    const reopened = await db.events.durable('parking', Order, handler, options);
    assert.equal(reopened.parked()[0]?.attempts, 5);
    assert.equal(await reopened.replayParked(), 1);
    assert.deepEqual(reopened.parked(), []);
    assert.equal(calls.filter((key) => key === 2).length, 6);
    assert.equal(await reopened.replayParked(), 0);
    await reopened.close();
  });

  test('one may skip what it cannot do', async () => {
    await using db = await open();
    const seen: number[] = [];
    const subscription = await db.events.on(
      Order,
      ['new'],
      (event) => {
        if (event.key === 2) throw new Error('no');
        seen.push(event.key);
      },
      { onError: { outcome: 'skip' } },
    );
    for (let id = 1; id <= 3; id += 1) await db.records(Order).insert(order(id));
    await subscription.caughtUp();
    assert.deepEqual([seen, subscription.stats.failed], [[1, 3], 1]);
    await subscription.close();
  });

  test('one that takes longer than it may fails, and is told so', async () => {
    await using db = await open();
    let aborted: unknown;
    const subscription = await db.events.on(
      Order,
      ['new'],
      (_event, { signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            aborted = signal.reason;
          });
        }),
      { onError: { timeout: 20 } },
    );
    await db.records(Order).insert(order(1));
    await assert.rejects(subscription.closed, { code: 'EVENKEEL_TIMEOUT' });
    assert.equal((aborted as { code?: string }).code, 'EVENKEEL_TIMEOUT');
  });

  test('scenario 26: a subscription made in a handler begins after what is committed by then', async () => {
    await using db = await open();
    const inner: number[] = [];
    let made = 0;
    const outer = await db.events.on(Order, ['new'], async (event) => {
      if (event.key !== 1) return;
      made += 1;
      await db.events.on(Order, ['new'], (each) => void inner.push(each.key));
    });
    await db.records(Order).insert(order(1));
    await outer.caughtUp();
    assert.equal(made, 1);
    await db.records(Order).insert(order(2));
    await until(() => inner.length > 0);
    assert.deepEqual(inner, [2]);
    await outer.close();
  });

  test('one may close its own subscription, and wait for that: nothing more is told', async () => {
    await using db = await open();
    const seen: number[] = [];
    const subscription = await db.events.on(Order, ['new'], async (event) => {
      seen.push(event.key);
      await delay(1);
      await subscription.close();
    });
    await db.transaction(async (tx) => {
      for (let id = 1; id <= 3; id += 1) await tx.records(Order).insert(order(id));
    });
    await subscription.closed;
    assert.deepEqual(seen, [1]);
  });

  test('scenario 50: leaving a loop over a feed closes it', async () => {
    await using db = await open();
    const feed = db.events.feed(Order);
    await db.records(Order).insert(order(1));
    for await (const event of feed) {
      assert.equal(event.kind, 'new');
      break;
    }
    assert.equal(feed.closed, true);
    await db.records(Order).insert(order(2));
    assert.deepEqual(await feed.next(), { done: true, value: undefined });
  });

  test('scenario 51: a handler that writes to its own class can leave out what it wrote itself', async () => {
    await using db = await open();
    const seen: number[] = [];
    const subscription = await db.events.on(
      Order,
      ['new'],
      (event) => {
        seen.push(event.key);
        return db.transaction((tx) => tx.records(Order).insert(order(event.key + 100)), { origin: 'copier' });
      },
      { ignoreOrigin: 'copier' },
    );
    await db.records(Order).insert(order(1));
    await subscription.caughtUp();
    await db.records(Marker).insert({});
    await subscription.caughtUp();
    assert.deepEqual(seen, [1]);
    assert.equal(await db.records(Order).find().count(), 2);
    await subscription.close();
  });
});

describe('a subscription that falls behind', () => {
  test('scenario 28: dropOldest drops whole transactions, with one gap in their place that adds up', async () => {
    await using db = await open();
    const gate = new Gate();
    const seen: (number | string)[] = [];
    let dropped = 0;
    const subscription = await db.events.on(
      Order,
      ['new'],
      async (event) => {
        if (event.kind === 'gap') {
          dropped += event.dropped ?? 0;
          seen.push('gap');
          return;
        }
        seen.push(event.key);
        if (event.key === 0) await gate.passed();
      },
      { overflow: 'dropOldest', queue: 100 },
    );
    await db.records(Order).insert(order(0));
    await until(() => seen.length === 1);
    await Promise.all(Array.from({ length: 999 }, (_each, i) => db.records(Order).insert(order(i + 1))));
    gate.open();
    await subscription.caughtUp();
    assert.deepEqual(seen.slice(0, 2), [0, 'gap']);
    assert.deepEqual(
      seen.slice(2),
      Array.from({ length: 100 }, (_each, i) => 900 + i),
    );
    assert.equal(dropped, 899);
    assert.equal(subscription.stats.dropped, 899);
    await subscription.close();
  });

  test('it never splits a transaction', async () => {
    await using db = await open();
    const feed = db.events.feed(Order, { overflow: 'dropOldest', queue: 25 });
    for (let t = 0; t < 10; t += 1) {
      await db.transaction(async (tx) => {
        for (let i = 0; i < 10; i += 1) await tx.records(Order).insert(order(t * 10 + i));
      });
    }
    const gap = (await feed.next()).value;
    assert.ok(gap?.kind === 'gap' && gap.dropped === 80);
    for (let i = 80; i < 100; i += 1) {
      const { value } = await feed.next();
      assert.ok(value?.kind === 'new' && value.key === i && value.transaction.count === 10);
    }
    const missed = db.events.feed(Order, { from: gap.from });
    assert.equal((await missed.next()).value?.kind, 'new');
    missed.close();
    feed.close();
  });

  test('scenario 29: spill keeps everything, in its order', async () => {
    await using db = await open();
    const gate = new Gate();
    const seen: number[] = [];
    const subscription = await db.events.on(Order, ['new'], async (event) => {
      seen.push(event.key);
      if (seen.length === 1) await gate.passed();
    });
    await Promise.all(Array.from({ length: 1000 }, (_each, i) => db.records(Order).insert(order(i))));
    gate.open();
    await subscription.caughtUp();
    assert.deepEqual(
      seen,
      Array.from({ length: 1000 }, (_each, i) => i),
    );
    await subscription.close();
  });

  test('scenario 30: holding up the writers, which share the loop with it, is refused', async () => {
    await using db = await open();
    const refused = (error: unknown) =>
      error instanceof InvalidArgumentError && error.context.argument === 'overflow';
    assert.throws(() => db.events.feed(Order, { overflow: 'block' as 'spill' }), refused);
    await assert.rejects(
      db.events.on(Order, ['new'], () => {}, { overflow: 'block' as 'spill' }),
      refused,
    );
  });

  test('latest tells the last event of each record, and how many it stands for', async () => {
    await using db = await open();
    for (const id of [1, 2]) await db.records(Order).insert(order(id));
    const feed = db.events.feed(Order, { kinds: ['update'], overflow: 'latest' });
    for (let note = 0; note < 10; note += 1) await db.records(Order).update(1, { note: String(note) });
    await db.records(Order).update(2, { note: 'x' });
    const first = (await feed.next()).value;
    const second = (await feed.next()).value;
    assert.deepEqual([first?.key, first?.after.note, first?.coalesced], [1, '9', 10]);
    assert.deepEqual([second?.key, second?.coalesced], [2, 1]);
    feed.close();
  });

  test('error ends it, and says where another can go on without loss', async () => {
    await using db = await open();
    const feed = db.events.feed(Order, { overflow: 'error', queue: 10 });
    for (let id = 0; id < 11; id += 1) await db.records(Order).insert(order(id));
    let from = '';
    await assert.rejects(feed.next(), (error) => {
      assert.ok(error instanceof OverflowError);
      from = error.context.resumeFrom ?? '';
      return true;
    });
    assert.deepEqual(await feed.next(), { done: true, value: undefined });
    const resumed = db.events.feed(Order, { from });
    for (let id = 0; id < 11; id += 1) assert.equal((await resumed.next()).value?.kind, 'new');
    resumed.close();
  });
});

describe('a position', () => {
  test('scenario 36: of another database is refused, and so is what is none', async () => {
    await using db = await open();
    await using other = await open();
    const { position } = other.events;
    assert.throws(() => db.events.feed(Order, { from: position }), EpochMismatchError);
    await assert.rejects(
      db.events.durable('x', Order, () => {}, { from: position }),
      EpochMismatchError,
    );
    assert.throws(() => db.events.feed(Order, { from: 'yesterday' }), InvalidArgumentError);
  });

  test('scenario 36: taken before a restore is refused after it', async () => {
    await using directory = await Directory.make();
    const before = await open({}, directory.url);
    await before.records(Order).insert(order(1));
    const { position } = before.events;
    await before.close();
    await using db = await open({ restored: true }, directory.url);
    assert.deepEqual((await db.records(Order).get(1))?.id, 1);
    assert.throws(() => db.events.feed(Order, { from: position }), EpochMismatchError);
    const feed = db.events.feed(Order, { from: 'beginning' });
    assert.equal((await feed.next()).value?.kind, 'new');
    feed.close();
  });

  test('that the database has not come to, because an older copy of it was put back, is refused', async () => {
    await using directory = await Directory.make();
    await using copy = await Directory.make();
    const before = await open({}, directory.url);
    await before.records(Order).insert(order(1));
    const kept = before.events.position;
    await before.close();
    await copyFile(path.join(directory.path, 'data.mdb'), path.join(copy.path, 'data.mdb'));
    const after = await open({}, directory.url);
    await after.records(Order).insert(order(2));
    const { position } = after.events;
    await after.close();
    await using db = await open({}, copy.url);
    db.events.feed(Order, { from: kept }).close();
    const refused = (error: unknown) =>
      error instanceof EpochMismatchError && error.context.argument === 'from';
    assert.throws(() => db.events.feed(Order, { from: position }), refused);
    await assert.rejects(
      db.events.on(Order, 'new', () => {}, { from: position }),
      refused,
    );
    await assert.rejects(
      db.events.durable('name', Order, () => {}, { from: position }),
      refused,
    );
  });

  test('is where another subscription goes on: of an event, a feed, a subscription, the database', async () => {
    await using db = await open();
    const feed = db.events.feed(both);
    const seen: string[] = [];
    const start = db.events.position;
    await db.transaction(async (tx) => {
      for (let id = 0; id < 5; id += 1) await tx.records(Order).insert(order(id));
    });
    await db.records(Order).update(1, { state: 9, note: 'x' });
    await db.records(Order).deleteAll();
    const subscription = await db.events.on(Order, ['deleteAll'], () => {}, { from: start });
    await subscription.caughtUp();
    await db.records(Marker).insert({});
    const all = [];
    for await (const event of feed) {
      all.push(event);
      if (event.class === 'Marker') break;
    }
    for (const [i, event] of all.entries()) {
      const rest = db.events.feed(both, { from: event.position });
      for (const expected of all.slice(i + 1))
        seen.push(short((await rest.next()).value ?? { kind: '' }), short(expected));
      rest.close();
    }
    for (let i = 0; i < seen.length; i += 2) assert.equal(seen[i], seen[i + 1]);
    const after = db.events.feed(both, { from: subscription.position });
    assert.equal(short((await after.next()).value ?? { kind: '' }), short(all.at(-1) ?? { kind: 'nothing' }));
    after.close();
    await subscription.close();
  });
});
