import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { on, once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  ClosedError,
  ConflictError,
  connect,
  defineClass,
  EventBase,
  field,
  InvalidArgumentError,
  KeyExistsError,
  StorageError,
  TimeoutError,
  type Transaction,
  UnsupportedError,
  uniqueIndex,
  VetoError,
} from '../../lib/index.ts';
import { inProcess } from '../faults/elsewhere.mts';
import { classes, Directory, Marker, Order, open, order, type Shop, short, told } from './events-shop.mts';
import { until } from './harness.mts';

const prepareOrder = (db: Shop, id: number, more: { code?: string } = {}, timeout?: number) =>
  db.prepare((tx) => tx.records(Order).insert(order(id, more)), { timeout });

class Other implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #said: AsyncIterator<unknown[]>;

  constructor(script: string, ...args: (string | number)[]) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.child = fork(path, args.map(String), { execArgv: [] });
    this.#said = on(this.child, 'message') as AsyncIterator<unknown[]>;
  }

  async next(): Promise<unknown> {
    return (await this.#said.next()).value[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

describe('scenario 46: two phases', () => {
  for (const kind of ['a temporary database', 'a database in a directory']) {
    const where = async () => {
      const directory = kind === 'a temporary database' ? undefined : await Directory.make();
      const db = await open({}, directory?.url);
      const close = db.close.bind(db);
      db[Symbol.asyncDispose] = async () => {
        await close();
        await directory?.[Symbol.asyncDispose]();
      };
      return db;
    };

    test(`scenario 46: ${kind}: nothing is seen or delivered after the first, all after the second`, async () => {
      await using db = await where();
      await db.records(Order).insert(order(1));
      await db.upsert('plain', 'before');
      const heard: string[] = [];
      const subscription = await db.events.on(Order, ['new', 'update'], (event) => {
        heard.push(short(event));
      });
      const feed = db.events.feed([Order, Marker]);
      const before = db.events.position;
      const prepared = await db.prepare(async (tx) => {
        await tx.records(Order).insert(order(2, { code: 'c' }));
        await tx.records(Order).update(1, { state: 2 });
        await tx.upsert('plain', 'after');
        return 'result';
      });
      assert.equal(prepared.result, 'result');
      const next = feed.next();
      for (let i = 0; i < 30; i += 1) {
        assert.equal(db.events.position, before);
        assert.equal(await db.records(Order).get(2), undefined);
        assert.equal((await db.records(Order).get(1))?.state, 1);
        assert.equal(await db.get('plain'), 'before');
        assert.deepEqual((await db.getMany(['plain'])).get('plain'), 'before');
        assert.equal(await db.records(Order).find().count(), 1);
        assert.equal(await db.records(Order).find({ index: 'byCode', equals: 'c' }).first(), undefined);
        await subscription.caughtUp();
        const late = db.events.feed(Order, { kinds: ['new'], from: 'beginning' });
        assert.equal((await late.next()).value?.key, 1);
        late.close();
        assert.deepEqual(heard, []);
        // A snapshot of another transaction is what it was, too.
        await db
          .transaction(async (tx) => {
            assert.equal(await tx.records(Order).find().count(), 1);
            assert.equal(await tx.records(Order).get(2), undefined);
            throw new Error('only looked');
          })
          .catch(() => {});
        await delay(1);
      }
      await prepared.commit();
      assert.deepEqual(await db.records(Order).get(2), order(2, { code: 'c' }));
      assert.equal((await db.records(Order).find({ index: 'byCode', equals: 'c' }).first())?.id, 2);
      assert.equal(await db.get('plain'), 'after');
      const first = await next;
      assert.deepEqual([first.value && short(first.value), first.value?.transaction.seq], ['new 2', 2n]);
      assert.deepEqual((await told(db, feed)).map(short), ['update 1', 'fieldUpdate state 1']);
      await subscription.caughtUp();
      assert.deepEqual(heard, ['new 2', 'update 1']);
    });

    test(`scenario 46: ${kind}: nothing is left of what is rolled back, not even a number`, async () => {
      await using db = await where();
      const feed = db.events.feed([Order, Marker]);
      for (let round = 0; round < 20; round += 1) {
        const prepared = await db.prepare(async (tx) => {
          await tx.records(Order).insert(order(1, { code: 'c' }));
          await tx.records(Marker).insert({});
        });
        await prepared.rollback();
        assert.equal(await db.records(Order).get(1), undefined);
        assert.equal(await db.records(Marker).find().count(), 0);
      }
      await db.records(Order).insert(order(1, { code: 'c' }));
      const { value } = await feed.next();
      assert.deepEqual([value?.kind, value?.transaction.seq], ['new', 1n]);
      assert.deepEqual(await told(db, feed), []);
    });
  }

  test('scenario 46: another process neither sees nor is told, waits with its writes, and is told after the commit', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    await using reader = new Other('events-reader.mjs', directory.path, 2, 'echo');
    assert.equal(await reader.next(), 'live');
    await (await prepareOrder(db, 1)).rollback();
    const prepared = await prepareOrder(db, 2, {}, 30_000);
    await using writer = new Other('events-writer.mjs', directory.path, 3, 8);
    const ended = once(writer.child, 'exit');
    await delay(1200); // longer than it takes to look for what nobody told of
    assert.equal(await db.records(Order).find().count(), 0);
    await prepared.commit();
    assert.equal(((await reader.next()) as { key: number }).key, 2);
    await ended;
    assert.equal(await db.records(Order).find().count(), 9);
  });

  test('scenario 46: what is prepared in another process is told here when that commits it', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    const feed = db.events.feed(Order, { kinds: ['new'] });
    for (const [id, decision] of [
      [1, 'rollback'],
      [2, 'commit'],
    ] as const) {
      await using other = new Other('prepared-holder.mjs', directory.path, id);
      assert.equal(await other.next(), 'prepared');
      assert.equal(await db.records(Order).get(id), undefined);
      await assert.rejects(db.records(Order).insert(order(9), { timeout: 50 }), TimeoutError);
      other.child.send(decision);
      assert.equal(await other.next(), 'done');
    }
    assert.equal((await feed.next()).value?.key, 2);
    assert.equal(await db.records(Order).find().count(), 1);
  });

  test('scenario 46: kill -9 between the phases leaves nothing, and lets others write', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    const feed = db.events.feed([Order, Marker]);
    for (let id = 1; id <= 3; id += 1) {
      const other = new Other('prepared-holder.mjs', directory.path, id);
      assert.equal(await other.next(), 'prepared');
      const waiting = db.records(Order).insert(order(10 + id));
      await other[Symbol.asyncDispose]();
      await waiting;
      assert.equal(await db.records(Order).get(id), undefined);
    }
    assert.deepEqual((await told(db, feed)).map(short), ['new 11', 'new 12', 'new 13']);
  });

  test('scenario 46: of a process that is killed after the second phase all is there', async () => {
    await using directory = await Directory.make();
    await (await open({}, directory.url)).close();
    const other = new Other('prepared-holder.mjs', directory.path, 1);
    assert.equal(await other.next(), 'prepared');
    other.child.send('commit');
    assert.equal(await other.next(), 'done');
    await other[Symbol.asyncDispose]();
    await using db = await open({}, directory.url);
    const { value } = await db.events.feed(Order, { from: 'beginning' }).next();
    assert.deepEqual([value?.kind, (await db.records(Order).get(1))?.id], ['new', 1]);
  });
});

describe('a prepared transaction', () => {
  test('whose function throws leaves nothing and holds nothing', async () => {
    await using db = await open();
    const failure = new Error('of the function');
    await assert.rejects(
      db.prepare(async (tx) => {
        await tx.records(Order).insert(order(1));
        throw failure;
      }),
      failure,
    );
    await db.records(Order).insert(order(1));
  });

  test('is checked in the first phase: unique values, conflicts with retries, hooks', async () => {
    await using db = await open();
    await db.records(Order).insert(order(1, { code: 'taken' }));
    await assert.rejects(prepareOrder(db, 1), KeyExistsError);
    await assert.rejects(prepareOrder(db, 2, { code: 'taken' }), KeyExistsError);
    let attempts = 0;
    const prepared = await db.prepare(async (tx) => {
      attempts += 1;
      const { state } = (await tx.records(Order).get(1)) ?? order(1);
      if (attempts === 1) await db.records(Order).update(1, { state: 10 });
      await tx.records(Order).update(1, { state: state + 1 });
    });
    await prepared.commit();
    assert.deepEqual([attempts, (await db.records(Order).get(1))?.state], [2, 11]);
    await assert.rejects(
      db.prepare(
        async (tx) => {
          await tx.records(Order).get(1);
          await db.records(Order).update(1, { state: Math.floor(Math.random() * 1e9) });
          await tx.records(Order).update(1, { state: 1 });
        },
        { retries: 2 },
      ),
      ConflictError,
    );
    // What another takes after the function has seen it free is found in the write transaction.
    await assert.rejects(
      db.prepare(
        async (tx) => {
          await tx.records(Order).insert(order(3, { code: 'late' }));
          await db.records(Order).upsert(order(4, { code: 'late' }));
        },
        { retries: 0 },
      ),
      ConflictError,
    );
    const hook = db.hooks.on(Order, 'new', () => {
      throw new Error('no');
    });
    await assert.rejects(prepareOrder(db, 5), VetoError);
    hook.cancel();
    await (await prepareOrder(db, 5)).commit();
  });

  test('that nobody decides is rolled back in time, and its commit rejects', async () => {
    await using db = await open();
    const prepared = await prepareOrder(db, 1, {}, 50);
    await db.records(Order).insert(order(1), { timeout: 60_000 }); // the write that waits for it goes on then
    await assert.rejects(prepared.commit(), TimeoutError);
    await assert.rejects(prepared.commit(), TimeoutError);
    await prepared.rollback(); // nothing is left, as was asked for
  });

  test('can be decided once', async () => {
    await using db = await open();
    const first = await prepareOrder(db, 1);
    const committing = first.commit();
    await assert.rejects(first.commit(), ClosedError);
    await assert.rejects(first.rollback(), ClosedError);
    await committing;
    await assert.rejects(first.commit(), /committed already/);
    const second = await prepareOrder(db, 2);
    const rolling = second.rollback();
    await assert.rejects(second.commit(), /rolled back already/);
    await rolling;
    await assert.rejects(second.rollback(), /rolled back already/);
    assert.equal(await db.records(Order).find().count(), 1);
  });

  test('is rolled back where it is left undecided, and only then', async () => {
    await using db = await open();
    {
      await using _left = await prepareOrder(db, 1);
    }
    {
      await using prepared = await prepareOrder(db, 2);
      await prepared.commit();
    }
    {
      await using prepared = await prepareOrder(db, 3);
      void prepared.commit(); // under way
    }
    assert.deepEqual(
      (await db.records(Order).find().all()).map(({ id }) => id),
      [2, 3],
    );
  });

  test('has others wait, each within its timeout; they are written in their order afterwards', async () => {
    await using db = await open();
    const prepared = await prepareOrder(db, 1);
    const late = db.records(Order).insert(order(2), { timeout: 30 });
    const plain = db.upsert('k', 1, { timeout: 30 });
    const patient = db.records(Order).insert(order(3));
    const scheduled = db.schedule((ctx) => [ctx.upsert('a', 1), ctx.upsert('b', 2)]);
    const transaction = db.transaction((tx) => tx.records(Order).insert(order(4)));
    const swept = db.expireNow();
    await assert.rejects(late, (error) => error instanceof TimeoutError && !error.ambiguous);
    await assert.rejects(plain, TimeoutError);
    await prepared.commit();
    await Promise.all([patient, scheduled, transaction, swept]);
    assert.deepEqual(
      (await db.records(Order).find().all()).map(({ id }) => id),
      [1, 3, 4],
    );
    assert.equal(await db.get('k'), undefined);
  });

  test('leaves who only reads alone, though writes of the same records wait', async () => {
    await using db = await open();
    await db.records(Order).insert(order(1));
    const prepared = await prepareOrder(db, 2, {}, 60_000);
    const waiting = db.records(Order).update(1, { state: 7 });
    const [state, count] = await db.transaction(async (tx) => [
      (await tx.records(Order).get(1))?.state,
      await tx.records(Order).find().count(),
    ]);
    assert.deepEqual([state, count], [1, 1]);
    // What comes after a write of the same connection sees it.
    const after = db.records(Order).get(1);
    await prepared.commit();
    await waiting;
    assert.equal((await after)?.state, 7);
  });

  test('does not hold up what was submitted before it', async () => {
    await using db = await open();
    const writes = Array.from({ length: 500 }, (_each, id) => db.records(Order).insert(order(id + 10)));
    const preparing = prepareOrder(db, 1);
    await Promise.all(writes);
    const prepared = await preparing;
    await prepared.commit();
    assert.equal(await db.records(Order).find().count(), 501);
  });

  test('waits for another, and for no longer than the database’s timeout', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    await using hasty = await open({ timeout: 400 }, directory.url);
    const first = await prepareOrder(db, 1, {}, 60_000);
    await assert.rejects(prepareOrder(hasty, 2), TimeoutError);
    const controller = new AbortController();
    const aborted = db.prepare((tx) => tx.records(Order).insert(order(3)), { signal: controller.signal });
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 10);
    await assert.rejects(aborted, reason);
    const second = prepareOrder(db, 4);
    await first.commit();
    await (await second).commit();
    assert.deepEqual(
      (await db.records(Order).find().all()).map(({ id }) => id),
      [1, 4],
    );
  });

  test('twenty at once on the same record all commit, one after the other', async () => {
    await using db = await open();
    await db.records(Order).insert(order(1, { state: 0 }));
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const prepared = await db.prepare(
          async (tx) => {
            const found = await tx.records(Order).get(1);
            await tx.records(Order).update(1, { state: (found?.state ?? 0) + 1 });
          },
          { retries: 1000 },
        );
        await setImmediate();
        await prepared.commit();
      }),
    );
    assert.equal((await db.records(Order).get(1))?.state, 20);
  });

  test('is rolled back when the database, or its event base, is closed', async () => {
    await using directory = await Directory.make();
    const db = await open({}, directory.url);
    await using beside = await open({}, directory.url);
    await db.events.durable('d', Order, () => {});
    const prepared = await prepareOrder(db, 1, {}, 600_000);
    const waiting = prepareOrder(db, 2);
    const refused = assert.rejects(waiting, ClosedError);
    await db.close(); // long before anybody's time is up
    await refused;
    await assert.rejects(prepared.commit(), ClosedError);
    await prepared.rollback();
    const base = EventBase.create();
    const there = await beside
      .via(base)
      .prepare((tx) => tx.records(Order).insert(order(3)), { timeout: 60_000 });
    await base.close();
    await assert.rejects(there.commit(), ClosedError);
    await beside.records(Order).insert(order(4));
    assert.deepEqual(
      (await beside.records(Order).find().all()).map(({ id }) => id),
      [4],
    );
  });

  test('may acknowledge an event: the position is kept with the commit', async () => {
    await using db = await open();
    let acknowledged = 0;
    const handler = async (event: { kind: string; ack(tx: never): Promise<void> }): Promise<void> => {
      const prepared = await db.prepare(async (tx) => {
        await tx.upsert('effect', event.kind);
        await event.ack(tx as never);
      });
      await prepared.commit();
      acknowledged += 1;
    };
    const durable = await db.events.durable('d', Order, handler as never, { ack: 'manual' });
    await db.records(Order).insert(order(1));
    await until(() => acknowledged === 1);
    await durable.close();
    await durable.closed;
    const again: string[] = [];
    const reopened = await db.events.durable('d', Order, (event) => void again.push(event.kind));
    await db.records(Order).insert(order(2));
    await reopened.caughtUp();
    assert.deepEqual([again, await db.get('effect')], [['new'], 'new']);
  });

  test('has further connections of its thread wait, too', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    const prepared = await prepareOrder(db, 1, {}, 60_000);
    const opening = open({}, directory.url);
    await setImmediate();
    await prepared.commit();
    await using second = await opening;
    assert.equal((await second.records(Order).get(1))?.id, 1);
  });

  test('is read beside by everything that reads, over and over, and the database is sound afterwards', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    const large = Buffer.alloc(100_000, 1);
    await db.upsert('large', large);
    for (let id = 1; id <= 20; id += 1) await db.records(Order).insert(order(id, { code: `c${id}` }));
    await db.upsert('short', 1, { ttl: 0.05 }); // the sweeper looks for it meanwhile
    const durable = await db.events.durable(
      'parking',
      Order,
      () => {
        throw new Error('broken');
      },
      { from: 'beginning', onError: { outcome: 'park' } },
    );
    await durable.caughtUp();
    db.events.listen('orderNew');
    for (let round = 0; round < 10; round += 1) {
      const prepared = await db.prepare(async (tx) => {
        await tx.upsert('large', Buffer.alloc(200_000, 2));
        await tx.records(Order).deleteAll();
        for (let id = 1000; id < 1100; id += 1)
          await tx.records(Order).insert(order(id, { note: 'x'.repeat(500) }));
      });
      for (let turn = 0; turn < 10; turn += 1) {
        assert.equal(durable.parked().length, 20);
        assert.ok(large.equals((await db.get<Buffer>('large')) as Buffer));
        const index = db.records(Order).find({ index: 'byCode', from: 'c', limit: 50 });
        assert.equal(await index.count(), 20);
        const transactions = db.events.transactions(Order, { kinds: ['new'], from: 'beginning' });
        for (let seq = 1n; seq <= 20n; seq += 1n) assert.equal((await transactions.next()).value?.seq, seq);
        transactions.close();
        assert.deepEqual(await db.events.wait('orderNew', { timeout: 0 }), { status: 'timeout' });
        const latest = db.events.feed(Order, { from: 'beginning', overflow: 'dropOldest', queue: 5 });
        assert.equal((await latest.next()).value?.kind, 'gap');
        latest.close();
        globalThis.gc?.();
        await (turn % 2 === 0 ? setImmediate() : delay(1));
      }
      await prepared.rollback();
    }
    await db.records(Order).insert(order(100));
    assert.equal((await db.events.wait('orderNew', { timeout: 5000 })).status, 'event');
    assert.equal(await db.records(Order).find().count(), 21);
  });

  test('has a class that is added meanwhile wait for it', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    const Late = defineClass('Late', {
      key: 'id',
      fields: { id: field.uint32(), name: field.string() },
      indexes: { byName: uniqueIndex('name') },
    });
    for (const decision of ['rollback', 'commit'] as const) {
      const prepared = await prepareOrder(db, 1);
      const opening = connect(directory.url as 'embedded:', { classes: [Late, ...classes] });
      await delay(20);
      await prepared[decision]();
      await using late = await opening;
      await late.records(Late).upsert({ id: 1, name: 'a' });
      assert.equal(await db.records(Order).find().count(), decision === 'commit' ? 1 : 0);
    }
  });

  test('ends with its process: by process.exit at once, by itself when its time is over', async () => {
    await using directory = await Directory.make();
    await (await open({}, directory.url)).close();
    for (const isExit of [true, false]) {
      const { code } = await inProcess(
        async ({ evenkeel }, { url, isExit }) => {
          const db = await evenkeel.connect(url);
          const [Order] = db.classes as unknown as readonly never[];
          const record = { id: 1, customer: 1, state: 1, note: '' } as never;
          const insert = (tx: Transaction) => tx.records(Order as never).insert(record);
          await db.prepare(insert, { timeout: isExit ? 60_000 : 300 });
          if (isExit) process.exit(3);
        },
        { url: directory.url, isExit },
      );
      assert.equal(code, isExit ? 3 : 0);
      await using db = await open({}, directory.url);
      assert.equal(await db.records(Order).get(1), undefined);
      await db.upsert('k', 1);
    }
  });

  test('is nothing that other engines have', async () => {
    await using db = await connect('memcached://127.0.0.1:1', { lazy: true });
    await assert.rejects(
      db.prepare(() => {}),
      UnsupportedError,
    );
  });

  test('refuses bad arguments, and has nothing to write where only reading is allowed', async () => {
    await using directory = await Directory.make();
    await using db = await open({}, directory.url);
    const refused = (argument: string) => (error: unknown) =>
      error instanceof InvalidArgumentError && error.context.argument === argument;
    await assert.rejects(db.prepare(undefined as never), refused('fn'));
    await assert.rejects(
      db.prepare(() => {}, null as never),
      refused('options'),
    );
    for (const timeout of [0, -1, Number.NaN, '5', 2 ** 31])
      await assert.rejects(
        db.prepare(() => {}, { timeout: timeout as number }),
        refused('timeout'),
      );
    await assert.rejects(
      db.prepare(() => {}, { retries: -1 }),
      refused('retries'),
    );
    await assert.rejects(
      db.prepare(() => {}, { signal: {} as never }),
      refused('signal'),
    );
    await assert.rejects(
      db.prepare(() => {}, { origin: 5 as never }),
      refused('origin'),
    );
    await db.close();
    await assert.rejects(
      db.prepare(() => {}),
      ClosedError,
    );
    await using reader = await open({ readOnly: true }, directory.url);
    await assert.rejects(
      reader.prepare(() => {}),
      StorageError,
    );
  });
});
