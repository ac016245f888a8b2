import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import {
  connect,
  defineClass,
  field,
  InvalidArgumentError,
  onNew,
  PositionLostError,
} from '../../lib/index.ts';
import { Directory, Marker, Order, open, order, type Shop, short } from './events-shop.mts';
import { until } from './harness.mts';

/** Calls of a handler that go on until they are told to end. */
class Calls {
  readonly begun: string[] = [];
  readonly underWay = new Map<
    string,
    { readonly end: () => void; readonly fail: (error: unknown) => void }
  >();
  most = 0;

  readonly handler = (event: { readonly kind: string }): Promise<void> => {
    const name = short(event);
    assert.ok(!this.underWay.has(name));
    this.begun.push(name);
    return new Promise<void>((resolve, reject) => {
      const settle = (): void => void this.underWay.delete(name);
      this.underWay.set(name, {
        end: () => {
          settle();
          resolve();
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      });
      this.most = Math.max(this.most, this.underWay.size);
    });
  };

  end(name: string): void {
    this.underWay.get(name)?.end();
  }

  endAll(): void {
    for (const each of this.underWay.values()) each.end();
  }
}

/** Turns of the loop in which what must not happen would have. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await setImmediate();
}

async function insert(db: Shop, ...ids: number[]): Promise<void> {
  for (const id of ids) await db.records(Order).insert(order(id));
}

describe('a handler with concurrency', () => {
  test('is called for as many records at a time, also for those committed while others are handled', async () => {
    await using db = await open();
    const calls = new Calls();
    const subscription = await db.events.on(Order, ['new'], calls.handler, { concurrency: 4 });
    for (let id = 1; id <= 3; id += 1) {
      await insert(db, id);
      await until(() => calls.underWay.has(`new ${id}`));
    }
    await insert(db, 4, 5, 6);
    await until(() => calls.underWay.size === 4);
    await turns();
    assert.deepEqual(calls.begun, ['new 1', 'new 2', 'new 3', 'new 4']);
    calls.end('new 3');
    await until(() => calls.underWay.has('new 5'));
    calls.end('new 5');
    calls.end('new 4');
    await until(() => calls.underWay.has('new 6'));
    assert.equal(calls.most, 4);
    calls.endAll();
    await subscription.caughtUp();
    assert.equal(subscription.stats.delivered, 6);
    await subscription.close();
    await subscription.closed;
  });

  test('keeps the order of a record', async () => {
    await using db = await open();
    const calls = new Calls();
    await using _subscription = await db.events.on(Order, ['new', 'update', 'delete'], calls.handler, {
      concurrency: 8,
    });
    await db.transaction(async (tx) => {
      await tx.records(Order).insert(order(1));
      await tx.records(Order).insert(order(2));
    });
    await db.records(Order).update(1, { state: 5 });
    await db.records(Order).remove(1);
    await db.records(Order).update(2, { state: 5 });
    await until(() => calls.underWay.size === 2);
    await turns();
    assert.deepEqual(calls.begun, ['new 1', 'new 2']);
    calls.end('new 1');
    await until(() => calls.underWay.has('update 1'));
    await turns();
    calls.end('update 1');
    calls.end('new 2');
    await until(() => calls.underWay.size === 2);
    assert.deepEqual(calls.begun, ['new 1', 'new 2', 'update 1', 'delete 1', 'update 2']);
    calls.endAll();
  });

  test('waits with what concerns all records, and with everything after that', async () => {
    await using db = await open();
    const calls = new Calls();
    await using _subscription = await db.events.on(Order, ['new', 'deleteAll'], calls.handler, {
      concurrency: 8,
    });
    await insert(db, 1, 2);
    await db.records(Order).deleteAll();
    await insert(db, 3, 4);
    await until(() => calls.underWay.size === 2);
    await turns();
    calls.end('new 1');
    await turns();
    assert.deepEqual(calls.begun, ['new 1', 'new 2']);
    calls.end('new 2');
    await until(() => calls.underWay.has('deleteAll 2'));
    await turns();
    assert.deepEqual(calls.begun, ['new 1', 'new 2', 'deleteAll 2']);
    calls.end('deleteAll 2');
    await until(() => calls.underWay.size === 2);
    assert.deepEqual(calls.begun.slice(3), ['new 3', 'new 4']);
    calls.endAll();
  });

  test('waits with a change of the class, and with everything after that', async () => {
    await using directory = await Directory.make();
    const fields = { id: field.uint32() };
    const Before = defineClass('Thing', { key: 'id', fields, events: [onNew()] });
    const more = { more: field.optional(field.string()) };
    const After = defineClass('Thing', { key: 'id', fields: { ...fields, ...more }, events: [onNew()] });
    await using db = await connect(directory.url, { classes: [Before] });
    const calls = new Calls();
    await using _subscription = await db.events.on(Before, ['new', 'schema'], calls.handler, {
      concurrency: 8,
    });
    for (const id of [1, 2]) await db.records(Before).insert({ id });
    await using grown = await connect(directory.url, { classes: [After] });
    await grown.records(After).insert({ id: 3 });
    await until(() => calls.underWay.size === 2);
    calls.end('new 2');
    await turns();
    assert.deepEqual(calls.begun, ['new 1', 'new 2']);
    calls.end('new 1');
    await until(() => calls.underWay.has('schema'));
    await turns();
    assert.equal(calls.begun.length, 3);
    calls.end('schema');
    await until(() => calls.underWay.has('new 3'));
    calls.endAll();
  });

  test('waits with a gap, and with everything after that', async () => {
    await using db = await open();
    const calls = new Calls();
    const subscription = await db.events.on(Order, ['new'], calls.handler, {
      concurrency: 2,
      overflow: 'dropOldest',
      queue: 3,
    });
    await insert(db, 1, 2);
    await until(() => calls.underWay.size === 2);
    await insert(db, ...Array.from({ length: 10 }, (_each, i) => 10 + i));
    calls.end('new 1');
    await turns();
    assert.equal(calls.begun.length, 2);
    calls.end('new 2');
    await until(() => calls.underWay.has('gap'));
    await turns();
    assert.equal(calls.underWay.size, 1);
    assert.equal(subscription.stats.dropped, 7);
    calls.end('gap');
    await until(() => calls.begun.length === 5);
    assert.deepEqual(calls.begun.slice(3), ['new 17', 'new 18']);
    await subscription.close();
    calls.endAll();
  });

  test('has a position, numbers and a caughtUp that are never ahead of what is being handled', async () => {
    await using db = await open();
    const calls = new Calls();
    const subscription = await db.events.on(Order, ['new'], calls.handler, { concurrency: 4 });
    const start = subscription.position;
    await insert(db, 1, 2, 3);
    await until(() => calls.underWay.size === 3);
    let isCaughtUp = false;
    const caughtUp = subscription.caughtUp().then(() => {
      isCaughtUp = true;
    });
    calls.end('new 2');
    calls.end('new 3');
    await turns();
    assert.equal(subscription.position, start);
    assert.deepEqual([subscription.stats.delivered, subscription.stats.lag, isCaughtUp], [0, 3, false]);
    // Nor does what is of no interest carry it on.
    await db.records(Marker).insert({});
    await turns();
    assert.equal(subscription.position, start);
    calls.end('new 1');
    await caughtUp;
    await subscription.caughtUp();
    assert.deepEqual([subscription.stats.delivered, subscription.stats.lag], [3, 0]);
    assert.equal(subscription.position, db.events.position);
    const first = subscription.position;
    await insert(db, 4, 5);
    await until(() => calls.underWay.size === 2);
    calls.end('new 4');
    await until(() => subscription.position !== first);
    const rest = db.events.feed(Order, { from: subscription.position, kinds: ['new'] });
    assert.equal((await rest.next()).value?.key, 5);
    rest.close();
    await subscription.close();
    calls.endAll();
  });

  test('that fails stops: what is under way settles, nothing begins, and the position is before what failed', async () => {
    await using db = await open();
    const calls = new Calls();
    const subscription = await db.events.on(Order, ['new'], calls.handler, { concurrency: 4 });
    await insert(db, 1, 2, 3, 4, 5, 6);
    await until(() => calls.underWay.size === 4);
    let isClosed = false;
    const failure = new Error('the first');
    const closed = assert.rejects(subscription.closed, failure).then(() => {
      isClosed = true;
    });
    calls.underWay.get('new 2')?.fail(failure);
    await turns();
    calls.underWay.get('new 3')?.fail(new Error('the second'));
    calls.end('new 1');
    await turns();
    assert.equal(isClosed, false);
    calls.end('new 4');
    await closed;
    assert.deepEqual(calls.begun, ['new 1', 'new 2', 'new 3', 'new 4']);
    assert.deepEqual([subscription.stats.delivered, subscription.stats.failed], [1, 2]);
    await assert.rejects(subscription.caughtUp());
    const again = db.events.feed(Order, { from: subscription.position, kinds: ['new'] });
    assert.equal((await again.next()).value?.key, 2);
    again.close();
  });

  test('that throws at once stops as well, and retries and skips are of one event', async () => {
    await using db = await open();
    const failure = new Error('at once');
    const stopped = await db.events.on(
      Order,
      ['new'],
      ({ key }) => {
        if (key === 2) throw failure;
      },
      { concurrency: 3 },
    );
    const seen: number[] = [];
    const retried = await db.events.on(
      Order,
      ['new'],
      async ({ key }) => {
        seen.push(key);
        await setImmediate();
        if (key === 1 && seen.filter((each) => each === 1).length < 3) throw new Error('not yet');
        if (key === 2) throw new Error('never');
      },
      { concurrency: 3, onError: { retries: 2, backoff: 1, outcome: 'skip' } },
    );
    const closed = assert.rejects(stopped.closed, failure);
    await insert(db, 1, 2, 3, 4);
    await closed;
    await retried.caughtUp();
    const { delivered, failed, retried: retries } = retried.stats;
    assert.deepEqual([delivered, failed, retries], [4, 1, 4]);
    assert.deepEqual([...seen].sort(), [1, 1, 1, 2, 2, 2, 3, 4]);
    await retried.close();
  });

  test('has retries that wait for nobody end with the subscription', async () => {
    await using db = await open();
    let calls = 0;
    const subscription = await db.events.on(
      Order,
      ['new'],
      async () => {
        calls += 1;
        throw new Error('always');
      },
      { concurrency: 3, onError: { retries: 10, backoff: 60_000 } },
    );
    await insert(db, 1, 2, 3);
    await until(() => calls === 3);
    await turns();
    await subscription.close();
    await subscription.closed;
    assert.equal(calls, 3);
  });

  test('that takes longer than it may is given up, each call by itself', async () => {
    await using db = await open();
    const late: unknown[] = [];
    const subscription = await db.events.on(
      Order,
      ['new'],
      ({ key }, { signal }) =>
        key === 1 ? new Promise(() => signal.addEventListener('abort', () => late.push(key))) : undefined,
      { concurrency: 2, onError: { timeout: 30, outcome: 'skip' } },
    );
    await insert(db, 1, 2, 3);
    await subscription.caughtUp();
    assert.deepEqual([late, subscription.stats.failed, subscription.stats.delivered], [[1], 1, 3]);
    await subscription.close();
  });

  test('may be closed in its handler, and by the end of the database, which waits for the calls under way', async () => {
    const db = await open();
    const calls = new Calls();
    const inside: number[] = [];
    const subscription = await db.events.on(
      Order,
      ['new'],
      async ({ key }) => {
        inside.push(key);
        if (key === 1) await subscription.close();
        await setImmediate();
      },
      { concurrency: 2 },
    );
    await db.events.on(Order, ['new'], calls.handler, { concurrency: 2 });
    await insert(db, 1, 2, 3, 4);
    await subscription.closed;
    assert.ok(inside.length <= 2 && inside.includes(1));
    await until(() => calls.underWay.size === 2);
    let isClosed = false;
    const closed = db.close().then(() => {
      isClosed = true;
    });
    await turns();
    assert.equal(isClosed, false);
    calls.endAll();
    await closed;
    assert.equal(calls.begun.length, 2);
  });

  test('handles what was read before a position was lost, and then ends with the error', async () => {
    await using db = await open({ retention: { maxBytes: 50_000 } });
    const calls = new Calls();
    const note = 'x'.repeat(1000);
    const subscription = await db.events.on(Order, ['new'], calls.handler, { concurrency: 2 });
    const lost = assert.rejects(subscription.closed, PositionLostError);
    await insert(db, 1, 2);
    await until(() => calls.underWay.size === 2);
    for (let id = 10; id < 500; id += 1) await db.records(Order).insert(order(id, { note }));
    calls.endAll();
    await lost;
    assert.deepEqual(calls.begun, ['new 1', 'new 2']);
  });

  test('does not run far ahead of one that does not end', async () => {
    await using db = await open();
    let handled = 0;
    let release = (): void => {};
    const subscription = await db.events.on(
      Order,
      ['new'],
      ({ key }) => {
        handled += 1;
        return key === 0
          ? new Promise<void>((resolve) => {
              release = resolve;
            })
          : undefined;
      },
      { concurrency: 2 },
    );
    const ids = Array.from({ length: 5000 }, (_each, id) => id);
    await Promise.all(ids.map((id) => db.records(Order).insert(order(id))));
    await until(() => handled > 1000);
    await turns();
    // The last page was pulled when there was room for one more event.
    assert.ok(handled < 1024 + 512, `${handled}`);
    assert.equal(subscription.stats.delivered, 0);
    release();
    await subscription.caughtUp();
    assert.deepEqual([handled, subscription.stats.delivered], [5000, 5000]);
    await subscription.close();
  });

  test('sees each event once and those of a record in order, whatever is written and however long it takes', async () => {
    const step = fc.record({
      op: fc.constantFrom('upsert', 'upsert', 'upsert', 'remove', 'deleteAll'),
      id: fc.nat(5),
      together: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 2, max: 5 }),
        fc.array(fc.nat(3), { minLength: 1, maxLength: 7 }),
        async (steps, concurrency, pauses) => {
          await using db = await open();
          const one: string[] = [];
          const several: string[] = [];
          const underWay = new Set<string>();
          const say = (event: { readonly kind: string; readonly position?: string }): string =>
            `${short(event)} ${event.position}`;
          const single = await db.events.on(Order, ['new', 'update', 'delete', 'deleteAll'], (event) => {
            one.push(say(event));
          });
          const multiple = await db.events.on(
            Order,
            ['new', 'update', 'delete', 'deleteAll'],
            async (event) => {
              const record = event.kind === 'deleteAll' ? 'all' : String(event.key);
              assert.ok(underWay.size < concurrency && !underWay.has(record) && !underWay.has('all'));
              if (record === 'all') assert.equal(underWay.size, 0);
              underWay.add(record);
              several.push(say(event));
              for (let i = pauses[several.length % pauses.length] ?? 0; i > 0; i -= 1) await setImmediate();
              underWay.delete(record);
            },
            { concurrency },
          );
          let value = 0;
          let pending: Promise<unknown>[] = [];
          for (const { op, id, together } of steps) {
            const orders = db.records(Order);
            value += 1;
            const write =
              op === 'upsert'
                ? orders.upsert(order(id, { state: value }))
                : op === 'remove'
                  ? orders.remove(id)
                  : orders.deleteAll();
            pending.push(write);
            if (together) continue;
            await Promise.all(pending);
            pending = [];
          }
          await Promise.all(pending);
          await single.caughtUp();
          await multiple.caughtUp();
          assert.deepEqual([...several].sort(), [...one].sort());
          const of = (told: string[], id: number) =>
            told.filter((each) => each.startsWith('deleteAll') || each.split(' ')[1] === String(id));
          for (let id = 0; id <= 5; id += 1) assert.deepEqual(of(several, id), of(one, id));
          assert.equal(multiple.position, single.position);
          assert.equal(multiple.stats.delivered, one.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('keeps classes and keys of several fields apart', async () => {
    const fields = { a: field.string(), b: field.uint32() };
    const Left = defineClass('Left', { key: ['a', 'b'], fields, events: [onNew()] });
    const Right = defineClass('Right', { key: 'b', fields, events: [onNew()] });
    await using db = await connect('embedded:', { classes: [Left, Right] });
    const calls = new Calls();
    await using _subscription = await db.events.on([Left, Right], 'new', calls.handler, { concurrency: 8 });
    await db.records(Left).insert({ a: 'x', b: 1 });
    await db.records(Left).insert({ a: 'y', b: 1 });
    await db.records(Right).insert({ a: 'x', b: 1 });
    await until(() => calls.underWay.size === 3);
    calls.endAll();
  });
});

describe('without concurrency', () => {
  test('one event is handled at a time', async () => {
    await using db = await open();
    for (const options of [{}, { concurrency: 1 }]) {
      const calls = new Calls();
      const subscription = await db.events.on(Order, ['new'], calls.handler, {
        ...options,
        from: 'beginning',
      });
      for (const id of [1, 2, 3]) await db.records(Order).upsert(order(id));
      for (let i = 1; i <= 3; i += 1) {
        await until(() => calls.begun.length === i);
        await turns();
        assert.equal(calls.underWay.size, 1);
        calls.endAll();
      }
      assert.equal(calls.most, 1);
      await subscription.close();
    }
  });
});

test('concurrency is an integer from 1 to 1024, and 1 where positions are acknowledged', async () => {
  await using db = await open();
  const refused = (error: unknown) =>
    error instanceof InvalidArgumentError && error.context?.argument === 'concurrency';
  for (const concurrency of [0, -1, 1.5, 1025, Number.NaN, Number.POSITIVE_INFINITY, '8', null, {}]) {
    const options = { concurrency: concurrency as number };
    await assert.rejects(
      db.events.on(Order, ['new'], () => {}, options),
      refused,
    );
  }
  for (const concurrency of [0, 2, 8, '1', Number.NaN]) {
    const options = { concurrency: concurrency as 1 };
    await assert.rejects(
      db.events.durable('d', Order, () => {}, options),
      refused,
    );
  }
  assert.throws(() => db.events.feed(Order, { concurrency: 2 } as object), InvalidArgumentError);
  await (await db.events.on(Order, ['new'], () => {}, { concurrency: 1024 })).close();
  await (await db.events.durable('d', Order, () => {}, { concurrency: 1 })).close();
});
