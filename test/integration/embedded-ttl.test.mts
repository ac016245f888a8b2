import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  connect,
  type Database,
  defineClass,
  field,
  InvalidArgumentError,
  KeyExistsError,
  onDelete,
  onDeleteAll,
  onExpire,
  onNew,
  onUpdate,
  SchemaMismatchError,
  type Transaction,
  uniqueIndex,
} from '../../lib/index.ts';
import { inProcess } from '../faults/elsewhere.mts';
import { Directory } from './embedded.mts';
import { until } from './harness.mts';

const START = Date.UTC(2030, 0, 1);

/** A clock that stands still until it is told. */
class Clock {
  time = START;
  readonly now = (): number => this.time;
  advance(seconds: number): void {
    this.time += seconds * 1000;
  }
}

const fields = { id: field.uint32(), value: field.uint32() };
const events = [onNew(), onUpdate(), onDelete(), onExpire()] as const;
const Aged = defineClass('Aged', { key: 'id', fields, events, ttl: { age: 10 } });
const Counted = defineClass('Counted', { key: 'id', fields, events, ttl: { count: 3 } });
const Renewed = defineClass('Renewed', { key: 'id', fields, ttl: { age: 10, renewOnUpdate: true } });
const RenewedCount = defineClass('RenewedCount', {
  key: 'id',
  fields,
  ttl: { count: 3, renewOnUpdate: true },
});
const Plain = defineClass('Plain', { key: 'id', fields, events: [onNew(), onExpire()] });
const Gone = defineClass('Gone', {
  key: 'id',
  fields,
  events: [onExpire(), onDeleteAll()],
  ttl: { age: 10 },
});
const Unique = defineClass('Unique', {
  key: 'id',
  fields,
  indexes: { byValue: uniqueIndex('value') },
  ttl: { age: 10 },
});
const classes = [Aged, Counted, Renewed, RenewedCount, Plain, Unique, Gone] as const;

type Db = Database<typeof classes>;

async function opened(clock: Clock, sweeper = false): Promise<Db> {
  return connect('embedded:', { classes, clock: clock.now, sweeper });
}

const record = (id: number, value = 0) => ({ id, value });
const ids = (records: readonly { readonly id: number }[]): number[] => records.map(({ id }) => id);

describe('Time-To-Live by age', () => {
  test('what has expired goes in transactions of its own, also when all are removed in one', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    const feed = db.events.feed([Gone, Plain], { ignoreOrigin: 'mine' });
    for (let id = 0; id < 200; id += 1) await db.records(Gone).insert(record(id));
    clock.advance(10);
    await db.transaction(
      async (tx) => {
        await tx.records(Plain).insert(record(1));
        await tx.records(Gone).deleteAll();
        await tx.records(Gone).insert(record(1));
      },
      { origin: 'mine' },
    );
    await db.records(Plain).insert(record(2));
    const told: string[] = [];
    for await (const event of feed) {
      if (event.kind === 'new') break;
      told.push(`${event.kind} ${event.transaction.origin}`);
    }
    assert.deepEqual(
      told,
      Array.from({ length: 200 }, () => 'expire ttl'),
    );
  });

  test('what has expired is no victim of a deleteAll, however much it is', async () => {
    for (const way of ['records', 'transaction'] as const) {
      const clock = new Clock();
      await using db = await opened(clock);
      const told = db.events.feed([Gone], { kinds: ['expire', 'deleteAll'] });
      const insert = (from: number, count: number): Promise<unknown> =>
        db.transaction(async (tx) => {
          for (let id = from; id < from + count; id += 1) await tx.records(Gone).insert(record(id));
        });
      await insert(0, 500);
      clock.advance(6);
      await insert(500, 3);
      clock.advance(5);
      const count =
        way === 'records'
          ? await db.records(Gone).deleteAll()
          : await db.transaction((tx) => tx.records(Gone).deleteAll());
      assert.equal(count, 3);
      const kinds = new Map<string, number>();
      for (let left = 501; left > 0; left -= 1) {
        const { value } = await told.next();
        assert.ok(value !== undefined && (value.kind === 'expire' || value.kind === 'deleteAll'));
        kinds.set(value.kind, (kinds.get(value.kind) ?? 0) + (value.kind === 'deleteAll' ? value.count : 1));
      }
      assert.deepEqual(Object.fromEntries(kinds), { expire: 500, deleteAll: 3 });
      assert.equal(await db.records(Gone).deleteAll(), 0);
      told.close();
    }
  });

  test('a record is there until its age, and in no read from then on, removed or not', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    const aged = db.records(Aged);
    await aged.insert(record(1));
    clock.advance(4);
    await aged.insert(record(2));
    clock.advance(5.999);
    assert.deepEqual(ids(await aged.find().all()), [1, 2]);
    clock.advance(0.001);
    assert.equal(await aged.get(1), undefined);
    assert.equal(await aged.getRecord(1), undefined);
    assert.equal(await aged.exists(1), false);
    assert.deepEqual(ids(await aged.find().all()), [2]);
    assert.equal(await aged.find().count(), 1);
    assert.equal(await db.transaction((tx) => tx.records(Aged).get(1)), undefined);
    assert.equal((await aged.getRecord(2))?.expiresAt?.getTime(), START + 14_000);
  });

  test('an update leaves the time as it is, unless the class renews', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    await db.records(Aged).insert(record(1));
    await db.records(Renewed).insert(record(1));
    clock.advance(6);
    await db.records(Aged).update(1, { value: 2 });
    await db.records(Renewed).update(1, { value: 2 });
    clock.advance(6);
    assert.equal(await db.records(Aged).get(1), undefined);
    assert.deepEqual(await db.records(Renewed).get(1), record(1, 2));
  });

  test('a record has a time of its own by ttl or expiresAt, in any class; ttl 0 is for ever', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    const plain = db.records(Plain);
    await plain.insert(record(1), { ttl: 0.5 });
    await plain.insert(record(2), { expiresAt: new Date(START + 2000) });
    await plain.insert(record(3));
    await db.records(Aged).insert(record(1), { ttl: 0 });
    await db.records(Aged).insert(record(2), { ttl: 100 });
    clock.advance(0.5);
    assert.deepEqual(ids(await plain.find().all()), [2, 3]);
    clock.advance(1.5);
    assert.deepEqual(ids(await plain.find().all()), [3]);
    clock.advance(50);
    assert.deepEqual(ids(await db.records(Aged).find().all()), [1, 2]);
    await plain.update(3, { value: 1 }, { ttl: 1 });
    clock.advance(1);
    assert.equal(await plain.get(3), undefined);
  });

  test('a transaction goes on reading what it has written itself, whose time is over for all others', async () => {
    await using db = await opened(new Clock());
    const past = { expiresAt: new Date(START - 1) };
    await db.transaction(async (tx) => {
      await tx.records(Plain).insert(record(1), past);
      await tx.upsert('k', 1, past);
      assert.deepEqual([await tx.records(Plain).get(1), await tx.get('k')], [record(1), 1]);
      assert.equal(await db.records(Plain).get(1), undefined);
    });
    assert.deepEqual([await db.records(Plain).get(1), await db.get('k')], [undefined, undefined]);
  });

  test('a transaction may make anew what has expired, and give its unique value to another', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    await db.records(Unique).insert(record(1, 7));
    clock.advance(10);
    await db.transaction(async (tx) => {
      await tx.records(Unique).insert(record(1, 8));
      await tx.records(Unique).insert(record(2, 7));
    });
    assert.deepEqual(ids(await db.records(Unique).find({ index: 'byValue' }).all()), [2, 1]);
  });

  test('what a read has found gone is gone for the writes after it, though the clock goes back', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    await db.records(Aged).insert(record(1));
    clock.advance(10);
    assert.equal(await db.records(Aged).get(1), undefined);
    clock.advance(-5);
    assert.equal(await db.records(Aged).remove(1), false);
    await db.records(Aged).insert(record(1));
  });

  test('a time beyond the last moment of a Date is that moment', async () => {
    const Long = defineClass('Long', { key: 'id', fields, ttl: { age: Number.MAX_VALUE } });
    await using db = await connect('embedded:', { classes: [Plain, Long] });
    const last = new Date(8.64e15);
    for (const options of [{ ttl: 1e13 }, { ttl: Number.MAX_VALUE }, { expiresAt: last }]) {
      await db.records(Plain).upsert(record(1), options);
      assert.deepEqual((await db.records(Plain).getRecord(1))?.expiresAt, last);
    }
    await db.records(Long).insert(record(1));
    assert.deepEqual((await db.records(Long).getRecord(1))?.expiresAt, last);
  });

  test('what is no time is refused by name', async () => {
    await using db = await opened(new Clock());
    const plain = db.records(Plain);
    const refused = (argument: string) => (error: unknown) =>
      error instanceof InvalidArgumentError && error.context.argument === argument;
    await assert.rejects(plain.insert(record(1), { ttl: -1 }), refused('ttl'));
    await assert.rejects(plain.insert(record(1), { ttl: Number.NaN }), refused('ttl'));
    await assert.rejects(plain.insert(record(1), { ttl: Number.POSITIVE_INFINITY }), refused('ttl'));
    await assert.rejects(plain.insert(record(1), { expiresAt: new Date(Number.NaN) }), refused('expiresAt'));
    await assert.rejects(plain.insert(record(1), { ttl: 1, expiresAt: new Date() }), refused('ttl'));
  });

  test('the key and the unique values of what has expired are free, and its expire comes before what takes them', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    const feed = db.events.feed(Aged);
    await db.records(Aged).insert(record(1, 1));
    await db.records(Unique).insert(record(1, 7));
    clock.advance(10);
    await db.records(Aged).insert(record(1, 2));
    await db.records(Unique).insert(record(2, 7));
    await assert.rejects(db.records(Unique).insert(record(3, 7)), KeyExistsError);
    const told = [];
    for (let i = 0; i < 3; i += 1) told.push((await feed.next()).value);
    assert.deepEqual(
      told.map((event) => [event?.kind, event?.transaction.origin]),
      [
        ['new', undefined],
        ['expire', 'ttl'],
        ['new', undefined],
      ],
    );
    feed.close();
  });

  test('a transaction may take the unique value of what has expired', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    for (let id = 0; id < 200; id += 1) await db.records(Unique).insert(record(id, id));
    clock.advance(10);
    await db.transaction((tx) => tx.records(Unique).insert(record(999, 150)), { retries: 0 });
    assert.deepEqual(await db.records(Unique).find({ index: 'byValue', equals: 150 }).all(), [
      record(999, 150),
    ]);
  });

  test('expireNow removes what is due and tells how many records, plain keys included', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    const feed = db.events.feed(Aged, { kinds: ['expire'] });
    await db.transaction(async (tx) => {
      for (let id = 0; id < 500; id += 1) await tx.records(Aged).insert(record(id));
    });
    await db.upsert('k', 1, { ttl: 10 });
    await db.upsert('stays', 1);
    assert.equal(await db.expireNow(), 0);
    clock.advance(10);
    // Each commit takes a few along by itself.
    const removed = await db.expireNow();
    assert.ok(removed > 0 && removed <= 501, `${removed}`);
    assert.equal(await db.expireNow(), 0);
    const seen = new Set<number>();
    while (seen.size < 500) {
      const { value } = await feed.next();
      assert.ok(value);
      assert.deepEqual(
        [value.cause, value.deadline.getTime(), value.transaction.origin],
        ['ttl-age', START + 10_000, 'ttl'],
      );
      assert.ok(!seen.has(value.key));
      seen.add(value.key);
    }
    feed.close();
    assert.equal(await db.get('stays'), 1);
  });

  test('who subscribes to delete alone is told of an expiry as a delete with its cause', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    const deletes = db.events.feed(Aged, { kinds: ['delete'] });
    const both = db.events.feed(Aged, { kinds: ['delete', 'expire'] });
    await db.records(Aged).insert(record(1));
    clock.advance(10);
    await db.records(Aged).insert(record(2));
    await db.records(Aged).remove(2);
    const told = async (feed: typeof both | typeof deletes) => {
      const { value } = await feed.next();
      return value && [value.kind, value.cause, value.key];
    };
    assert.deepEqual(
      [await told(deletes), await told(deletes)],
      [
        ['delete', 'ttl-age', 1],
        ['delete', 'explicit', 2],
      ],
    );
    assert.deepEqual(
      [await told(both), await told(both)],
      [
        ['expire', 'ttl-age', 1],
        ['delete', 'explicit', 2],
      ],
    );
    deletes.close();
    both.close();
  });
});

describe('Time-To-Live by count', () => {
  test('the oldest go with the commit that brings one too many, in its transaction', async () => {
    await using db = await opened(new Clock());
    const counted = db.records(Counted);
    const feed = db.events.feed(Counted);
    for (let id = 0; id < 4; id += 1) await counted.insert(record(10 - id));
    assert.deepEqual(ids(await counted.find().all()), [7, 8, 9]);
    const told = [];
    for (let i = 0; i < 5; i += 1) told.push((await feed.next()).value);
    const last = told
      .slice(-2)
      .map((event) => [event?.kind, event?.transaction.seq, event?.transaction.index]);
    assert.deepEqual(last, [
      ['new', 4n, 0],
      ['expire', 4n, 1],
    ]);
    feed.close();
  });

  test('what goes is due then, whatever time it had of its own', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    const feed = db.events.feed(Counted, { kinds: ['expire'] });
    await db.records(Counted).insert(record(1), { ttl: 1000 });
    clock.advance(1);
    for (const id of [2, 3, 4]) await db.records(Counted).insert(record(id));
    const { value } = await feed.next();
    assert.deepEqual([value?.key, value?.deadline], [1, new Date(clock.time)]);
  });

  test('records of the same transaction count, too', async () => {
    await using db = await opened(new Clock());
    await db.transaction(async (tx) => {
      for (let id = 0; id < 10; id += 1) await tx.records(Counted).insert(record(id));
    });
    assert.deepEqual(ids(await db.records(Counted).find().all()), [7, 8, 9]);
  });

  test('what has expired makes room before what has not', async () => {
    const Both = defineClass('Both', { key: 'id', fields, ttl: { age: 10, count: 300 } });
    const clock = new Clock();
    await using db = await connect('embedded:', { classes: [Both], clock: clock.now, sweeper: false });
    const insert = (from: number, to: number, options?: { ttl: number }): Promise<unknown> =>
      db.transaction(async (tx) => {
        for (let id = from; id < to; id += 1) await tx.records(Both).insert(record(id), options);
      });
    await insert(0, 100);
    await insert(100, 300, { ttl: 1 });
    clock.advance(1);
    await insert(300, 500); // more than are removed in passing
    assert.deepEqual(ids(await db.records(Both).find().all()), [
      ...Array.from({ length: 100 }, (_, i) => i),
      ...Array.from({ length: 200 }, (_, i) => 300 + i),
    ]);
    await db.records(Both).insert(record(500), { expiresAt: new Date(clock.now()) });
    assert.equal(await db.records(Both).find().count(), 300);
  });

  test('in a transaction, too, the newest is what was inserted or renewed last', async () => {
    await using db = await opened(new Clock());
    await db.records(Counted).insert(record(0));
    await db.transaction(async (tx) => {
      const counted = tx.records(Counted);
      await counted.insert(record(1));
      await counted.remove(0);
      await counted.remove(1);
      for (const id of [2, 3, 1, 0]) await counted.insert(record(id));
      const renewed = tx.records(RenewedCount);
      for (const id of [0, 1, 2]) await renewed.insert(record(id));
      await renewed.update(0, { value: 1 });
      await renewed.insert(record(3));
    });
    assert.deepEqual(ids(await db.records(Counted).find().all()), [0, 1, 3]);
    assert.deepEqual(ids(await db.records(RenewedCount).find().all()), [0, 2, 3]);
  });

  describe('what goes in the transaction that has written it', () => {
    /** What a transaction on three records, 1 to 3, is told of in both granularities, as far as `of` says. */
    async function told(
      of:
        | readonly [(tx: Transaction) => Promise<unknown>]
        | readonly [undefined, (db: Db) => Promise<unknown>],
    ): Promise<{ net: string[]; each: string[]; left: number[] }> {
      await using db = await opened(new Clock());
      for (const id of [1, 2, 3]) await db.records(Counted).insert(record(id));
      const feeds = {
        net: db.events.feed([Counted, Plain]),
        each: db.events.feed([Counted, Plain], { granularity: 'each' }),
      };
      const [inside, outside] = of;
      if (inside !== undefined) await db.transaction(inside);
      else await outside(db);
      const left = ids(await db.records(Counted).find().all());
      await db.records(Plain).insert(record(0));
      const texts = { net: [] as string[], each: [] as string[], left };
      for (const [name, feed] of Object.entries(feeds))
        for await (const { kind, key, before, class: of } of feed) {
          if (of === 'Plain') break;
          texts[name as keyof typeof feeds].push(`${kind} ${key} ${before?.value ?? ''}`.trim());
        }
      return texts;
    }

    test('is told once, as it was before; of what nobody could see, nothing', async () => {
      const { net, each, left } = await told([
        async (tx) => {
          const counted = tx.records(Counted);
          await counted.update(1, { value: 9 });
          for (const id of [4, 5, 6, 7]) await counted.insert(record(id));
        },
      ]);
      assert.deepEqual(net, ['expire 1 0', 'new 5', 'new 6', 'new 7', 'expire 2 0', 'expire 3 0']);
      assert.deepEqual(each, [
        'update 1 0',
        ...['new 4', 'new 5', 'new 6', 'new 7'],
        ...['expire 1 9', 'expire 2 0', 'expire 3 0', 'expire 4 0'],
      ]);
      assert.deepEqual(left, [5, 6, 7]);
    });

    test('is told as removed where it had been removed before', async () => {
      const { net, each, left } = await told([
        async (tx) => {
          const counted = tx.records(Counted);
          await counted.remove(1);
          await counted.insert(record(1, 5));
          for (const id of [4, 5, 6]) await counted.insert(record(id));
        },
      ]);
      assert.deepEqual(net, ['delete 1 0', 'new 4', 'new 5', 'new 6', 'expire 2 0', 'expire 3 0']);
      assert.deepEqual(each.slice(-3), ['expire 2 0', 'expire 3 0', 'expire 1 5']);
      assert.deepEqual(left, [4, 5, 6]);
    });

    test('is not told behind a deleteAll', async () => {
      const { net, left } = await told([
        async (tx) => {
          await tx.records(Counted).deleteAll();
          for (const id of [4, 5, 6, 7, 8]) await tx.records(Counted).insert(record(id));
        },
      ]);
      assert.deepEqual(net, ['new 6', 'new 7', 'new 8']);
      assert.deepEqual(left, [6, 7, 8]);
    });

    test('is not told where its time was over when it came', async () => {
      const past = { expiresAt: new Date(START - 1) };
      for (const of of [
        [(tx: Transaction) => tx.records(Counted).insert(record(4), past)],
        [undefined, (db: Db) => db.records(Counted).insert(record(4), past)],
      ] as const) {
        const { net, each, left } = await told(of);
        assert.deepEqual(net, []);
        assert.deepEqual(each, ['new 4', 'expire 4 0']);
        assert.deepEqual(left, [1, 2, 3]);
      }
    });
  });

  test('an update makes a record as good as new where the class renews, and only there', async () => {
    await using db = await opened(new Clock());
    for (const each of [Counted, RenewedCount] as const) {
      const records = db.records(each);
      for (let id = 0; id < 3; id += 1) await records.insert(record(id));
      await records.update(0, { value: 1 });
      await records.insert(record(3));
    }
    assert.deepEqual(ids(await db.records(Counted).find().all()), [1, 2, 3]);
    assert.deepEqual(ids(await db.records(RenewedCount).find().all()), [0, 2, 3]);
  });
});

describe('the sweeper', () => {
  test('does not try without end what cannot be written', async () => {
    await using directory = await Directory.make();
    const clock = new Clock();
    let reads = 0;
    const counted = (): number => {
      reads += 1;
      return clock.now();
    };
    await using db = await directory.open({ classes: [Plain], clock: counted });
    await db.records(Plain).insert(record(1), { ttl: 10 });
    const other = await inProcess(async ({ evenkeel }, url) => {
      const { connect, defineClass, field } = evenkeel;
      const Other = defineClass('Other', { key: 'id', fields: { id: field.uint32() } });
      const db = await connect(url as 'embedded:', { classes: [Other], sweeper: false });
      await db.close();
    }, directory.url);
    assert.equal(other.code, 0, other.stderr);
    await assert.rejects(db.records(Plain).insert(record(2)), SchemaMismatchError);
    clock.advance(10);
    await new Promise((resolve) => setTimeout(resolve, 50));
    reads = 0;
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(reads < 10, `the time was looked at ${reads} times`);
  });

  test('scenario 21: removes what is due without a write of anybody, with an injected clock as well', async () => {
    const clock = new Clock();
    await using db = await opened(clock, true);
    const feed = db.events.feed([Aged, Plain], { kinds: ['expire'] });
    await db.records(Aged).insert(record(1));
    await db.records(Plain).insert(record(2), { ttl: 20 });
    clock.advance(10);
    assert.deepEqual([(await feed.next()).value?.key], [1]);
    clock.advance(10);
    assert.deepEqual([(await feed.next()).value?.key], [2]);
    feed.close();
  });

  test('keeps to the system clock: a plain key and a record go within moments of their time', async () => {
    await using db = await connect('embedded:', { classes });
    const feed = db.events.feed(Plain, { kinds: ['expire'] });
    await db.records(Plain).insert(record(1), { ttl: 0.05 });
    const { value } = await feed.next();
    assert.ok(value);
    assert.ok(value.transaction.time >= value.deadline, 'it was removed before its time');
    await db.records(Plain).insert(record(2), { ttl: 0.02 });
    assert.equal((await feed.next()).value?.key, 2);
    feed.close();
  });

  test('never holds up the loop for long, however much is due', async () => {
    const clock = new Clock();
    await using db = await opened(clock, true);
    const total = 20_000;
    for (let from = 0; from < total; from += 5000) {
      await db.transaction(async (tx) => {
        const aged = tx.records(Aged);
        for (let id = from; id < from + 5000; id += 1) await aged.insert(record(id));
      });
    }
    // CPU time: a machine with other work holds up everything at times.
    const pauses: number[] = [];
    clock.advance(10);
    const done = until(async () => (await db.expireNow()) === 0);
    let isDone = false;
    void done.then(() => {
      isDone = true;
    });
    while (!isDone) {
      const before = process.cpuUsage();
      await setImmediate();
      const { user, system } = process.cpuUsage(before);
      pauses.push((user + system) / 1000);
    }
    await done;
    pauses.sort((a, b) => a - b);
    const typical = pauses[Math.floor(pauses.length * 0.95)] ?? 0;
    assert.ok(typical <= 10, `19 of 20 turns took up to ${typical} ms of CPU time`);
    assert.equal(await db.records(Aged).find().count(), 0);
  });
});

describe('Time-To-Live and clocks', () => {
  test('a clock that tells no time fails what is asked for meanwhile, and is no time of the database', async () => {
    let now: number = START;
    await using db = await connect('embedded:', { classes, clock: () => now });
    await db.upsert('key', 'value', { ttl: 10 });
    for (const none of [Number.NaN, Number.POSITIVE_INFINITY, undefined as never]) {
      now = none;
      const isRefused = (error: unknown) =>
        error instanceof InvalidArgumentError && error.context.argument === 'clock';
      await assert.rejects(db.upsert('other', 'value'), isRefused);
      await assert.rejects(async () => db.get('key'), isRefused);
      await new Promise((resolve) => setTimeout(resolve, 60)); // the sweeper looks at it, too
    }
    now = START + 9000;
    assert.equal(await db.get('key'), 'value');
    now = START + 10_000;
    assert.equal(await db.get('key'), undefined);
  });

  test('what expires after the last moment there is expires then', async () => {
    await using db = await opened(new Clock());
    const last = new Date(8.64e15);
    for (const ttl of [1e13, 1e300]) {
      await db.records(Plain).upsert(record(1), { ttl });
      assert.deepEqual((await db.records(Plain).getRecord(1))?.expiresAt, last);
    }
    assert.equal(await db.records(Plain).deleteAll(), 1);
    assert.equal(await db.expireNow(), 0);
  });

  test('scenario 22: a clock that goes back makes nothing expire early, late for ever, or twice', async () => {
    const clock = new Clock();
    await using db = await opened(clock);
    const feed = db.events.feed(Aged, { kinds: ['expire'] });
    await db.records(Aged).insert(record(1));
    clock.advance(-3600);
    await db.records(Aged).insert(record(2));
    assert.equal(await db.expireNow(), 0);
    assert.deepEqual(ids(await db.records(Aged).find().all()), [1, 2]);
    clock.advance(3600 + 10);
    assert.equal(await db.expireNow(), 2);
    assert.equal(await db.expireNow(), 0);
    assert.deepEqual([(await feed.next()).value?.key, (await feed.next()).value?.key], [1, 2]);
    feed.close();
  });
});
