import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CasMismatchError,
  ClosedError,
  connect,
  defineClass,
  desc,
  field,
  hashIndex,
  InvalidArgumentError,
  index,
  KeyExistsError,
  KeyNotFoundError,
  type RecordOf,
  uniqueHashIndex,
  uniqueIndex,
  ValidationError,
} from '../../lib/index.ts';
import { inWorker, messageOf } from '../faults/elsewhere.mts';
import { Clock, Directory, onBothKinds } from './embedded.mts';

const User = defineClass('User', {
  key: 'id',
  fields: {
    id: field.uint32(),
    name: field.string(),
    mail: field.optional(field.string()),
    age: field.uint8(),
    born: field.optional(field.datetime()),
    photo: field.optional(field.bytes()),
    tags: field.vector(field.string()),
  },
  indexes: {
    byName: index('name', desc('age')),
    byMail: uniqueIndex('mail'),
    byAge: index('age'),
    byTag: hashIndex('name'),
  },
});
type UserRecord = RecordOf<typeof User>;

const Reading = defineClass('Reading', {
  key: ['sensor', 'at'],
  fields: { sensor: field.string(), at: field.datetime(), value: field.float64() },
  indexes: { byValue: index(desc('value')) },
});

const Ticket = defineClass('Ticket', {
  key: 'id',
  fields: { id: field.autoid(), text: field.string() },
});

const Small = defineClass('Small', { key: 'id', fields: { id: field.uint8(), signed: field.int8() } });

const classes = [User, Reading, Ticket, Small] as const;

function user(id: number, more: Partial<UserRecord> = {}): UserRecord {
  return { id, name: `name ${id}`, age: id % 100, tags: [], ...more };
}

const full = (record: UserRecord): UserRecord => ({
  mail: undefined,
  born: undefined,
  photo: undefined,
  ...record,
});

const refused = (argument: string) => (error: unknown) =>
  error instanceof InvalidArgumentError && error.context.argument === argument;
const invalid = (path: string) => (error: unknown) =>
  error instanceof ValidationError && error.context.path === path;
const taken = (name: string | undefined) => (error: unknown) =>
  error instanceof KeyExistsError && error.context.index === name && error.context.class === 'User';

const ids = (records: readonly UserRecord[]): number[] => records.map(({ id }) => id);

onBothKinds('records of a class', (open) => {
  test('are what was inserted, updated and upserted, and undefined where there is none', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    assert.equal(users.definition, User);
    assert.equal(await users.get(1), undefined);
    assert.equal(await users.exists(1), false);
    const ada = user(1, {
      mail: 'ada@x',
      born: new Date(-1e12),
      photo: Buffer.from('png'),
      tags: ['a', 'b'],
    });
    assert.deepEqual(await users.insert(ada), ada);
    assert.deepEqual(await users.get(1), ada);
    assert.equal(await users.exists(1), true);
    const changed = { ...ada, age: 2, mail: undefined };
    assert.deepEqual(await users.update(1, { age: 2, mail: undefined }), changed);
    assert.deepEqual(await users.get(1), changed);
    assert.deepEqual(await users.upsert(user(1)), full(user(1)));
    assert.deepEqual(await users.upsert(user(2)), full(user(2)));
    assert.deepEqual(await users.find().all(), [full(user(1)), full(user(2))]);
    assert.equal(await users.remove(1), true);
    assert.equal(await users.remove(1), false);
    await assert.rejects(users.update(1, { age: 1 }), KeyNotFoundError);
    await assert.rejects(users.insert(user(2)), taken(undefined));
  });

  test('large ones come back whole, by key, by index and in a transaction', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    for (const size of [3000, 5000, 100_000, 3_000_000]) {
      const record = user(size, {
        name: 'large',
        photo: Buffer.alloc(size, size & 0xff),
        tags: ['x'.repeat(size)],
      });
      await users.upsert(record);
      assert.deepEqual(await users.get(size), full(record));
      assert.deepEqual((await users.find({ equals: size }).all())[0], full(record));
      assert.deepEqual(await db.transaction((tx) => tx.records(User).get(size)), full(record));
      const found = await users.find({ index: 'byName', equals: 'large' }).all();
      assert.deepEqual(
        found.find(({ id }) => id === size),
        full(record),
      );
      await users.update(size, { age: 1 });
    }
    assert.equal(await users.find({ index: 'byAge', equals: 1 }).count(), 4);
    assert.equal(await users.deleteAll(), 4);
  });

  test('may have a key of several fields', async () => {
    await using db = await open({ classes });
    const readings = db.records(Reading);
    const [early, late] = [new Date(-5), new Date(5)];
    await readings.insert({ sensor: 'a', at: early, value: 1 });
    await readings.insert({ sensor: 'a', at: late, value: 3 });
    await readings.insert({ sensor: 'b', at: early, value: 2 });
    assert.equal((await readings.get(['a', late]))?.value, 3);
    assert.equal(await readings.get(['b', late]), undefined);
    await readings.update(['a', late], { value: -1 });
    const values = async (query: Parameters<typeof readings.find>[0]): Promise<number[]> =>
      (await readings.find(query).all()).map(({ value }) => value);
    assert.deepEqual(await values({ equals: 'a' }), [1, -1]);
    assert.deepEqual(await values({ equals: ['a', late] }), [-1]);
    assert.deepEqual(await values({ after: 'a' }), [2]);
    assert.deepEqual(await values({ after: ['a', early], to: 'a' }), [-1]);
    assert.deepEqual(await values({ before: ['a', late] }), [1]);
    const byValue = await readings.find({ index: 'byValue' }).all();
    assert.deepEqual(
      byValue.map(({ value }) => value),
      [2, 1, -1],
    );
    assert.equal(await readings.remove(['b', early]), true);
  });

  test('share nothing with what was given', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    const given = user(1, { photo: Buffer.from('png'), tags: ['a'], born: new Date(1) });
    const inserted = users.insert(given);
    given.name = 'other';
    given.photo?.fill(0);
    (given.tags as string[]).push('b');
    given.born?.setTime(2);
    const expected = user(1, { mail: undefined, photo: Buffer.from('png'), tags: ['a'], born: new Date(1) });
    assert.deepEqual(await inserted, expected);
    assert.deepEqual(await users.get(1), expected);
  });

  test('that are not as the class declares are a ValidationError that names the value', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    await users.insert(user(1));
    await assert.rejects(users.insert({ ...user(2), age: 256 }), invalid('age'));
    await assert.rejects(users.upsert({ ...user(2), tags: ['a', 1] } as never), invalid('tags[1]'));
    await assert.rejects(users.insert({ id: 2 } as never), invalid('name'));
    await assert.rejects(users.insert({ ...user(2), more: 1 } as never), invalid('more'));
    await assert.rejects(users.update(1, { age: -1 }), invalid('age'));
    await assert.rejects(users.update(1, { name: undefined }), invalid('name'));
    await assert.rejects(users.get('1' as never), invalid('id'));
    await assert.rejects(users.remove(-1), invalid('id'));
    await assert.rejects(users.get(undefined as never), refused('key'));
    await assert.rejects(db.records(Reading).get(['a'] as never), refused('key'));
    await assert.rejects(db.records(Reading).get('a' as never), refused('key'));
    await assert.rejects(users.update(1, { more: 1 } as never), refused('changes'));
    await assert.rejects(users.update(1, { id: 2 }), refused('changes'));
    await assert.rejects(users.update(1, [] as never), refused('changes'));
    await assert.rejects(users.insert(user(2, { name: 'x'.repeat(1000) })), invalid('name,age'));
    const key = { sensor: 'x'.repeat(900), at: new Date(0), value: 1 };
    await assert.rejects(db.records(Reading).insert(key), ValidationError);
    assert.deepEqual(await users.find().all(), [full(user(1))]);
  });

  test('depend on a version where one is given', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    await users.insert(user(1));
    const first = await users.getRecord(1);
    assert.deepEqual(first?.value, full(user(1)));
    assert.equal(first?.expiresAt, undefined);
    const { cas = 0n } = first ?? {};
    await users.update(1, { age: 5 }, { cas });
    for (const call of [
      () => users.update(1, { age: 6 }, { cas }),
      () => users.upsert(user(1), { cas }),
      () => users.remove(1, { cas }),
    ])
      await assert.rejects(call(), CasMismatchError);
    await assert.rejects(users.upsert(user(9), { cas }), KeyNotFoundError);
    for (const bad of [0n, -1n, 1, null])
      await assert.rejects(users.remove(1, { cas: bad as bigint }), refused('cas'));
    const second = await users.getRecord(1);
    assert.equal(await users.remove(1, { cas: second?.cas }), true);
    assert.equal(await users.remove(1, { cas: second?.cas }), false);
  });

  test('expire as their options say', async () => {
    const clock = new Clock();
    await using db = await open({ classes, clock: clock.read, sweeper: false });
    const users = db.records(User);
    await users.insert(user(1, { mail: 'a' }), { ttl: 10 });
    await users.insert(user(2, { mail: 'b' }), { expiresAt: new Date(clock.read() + 20_000) });
    await users.insert(user(3));
    assert.deepEqual((await users.getRecord(1))?.expiresAt, new Date(clock.read() + 10_000));
    await users.update(1, { age: 7 });
    clock.advance(10);
    assert.equal(await users.get(1), undefined);
    assert.deepEqual(ids(await users.find().all()), [2, 3]);
    assert.deepEqual(ids(await users.find({ index: 'byMail' }).all()), [3, 2]);
    await users.update(2, { mail: 'a' }, { ttl: 0 });
    await users.insert(user(1, { mail: 'b' }));
    clock.advance(1e6);
    assert.deepEqual(ids(await users.find({ index: 'byMail', from: 'a' }).all()), [2, 1]);
    await assert.rejects(users.insert(user(5), { ttl: -1 }), refused('ttl'));
    await assert.rejects(users.insert(user(5), { ttl: 1, expiresAt: new Date() }), refused('ttl'));
  });

  test('that were written without waiting are seen by every read and every search after', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    for (let i = 1; i < 20; i += 1) {
      void users.upsert(user(1, { name: `n${i}` }));
      void users.insert(user(i + 1, { name: 'same' }));
      const [got, exists, found, count] = await Promise.all([
        users.get(1),
        users.exists(i + 1),
        users.find({ index: 'byName', equals: `n${i}` }).all(),
        users.find({ index: 'byName', equals: 'same' }).count(),
      ]);
      assert.deepEqual([got?.name, exists, ids(found), count], [`n${i}`, true, [1], i]);
    }
    void users.deleteAll();
    assert.equal(await users.get(1), undefined);
    void users.insert(user(1));
    assert.equal((await users.find().first())?.id, 1);
  });

  test('of another class than the database has, or after its close, are refused', async () => {
    const db = await open({ classes });
    const users = db.records(User);
    const Other = defineClass('Other', { key: 'id', fields: { id: field.uint8() } });
    assert.throws(() => db.records(Other as never), refused('class'));
    assert.throws(() => db.records({} as never), refused('class'));
    await db[Symbol.asyncDispose]();
    for (const call of [
      () => users.get(1),
      () => users.insert(user(1)),
      () => users.find().all(),
      () => users.deleteAll(),
    ])
      await assert.rejects(call(), ClosedError);
  });
});

onBothKinds('unique values', (open) => {
  test('are refused when another record has them, naming the index, and free when it has not', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    await users.insert(user(1, { mail: 'a' }));
    await users.insert(user(2, { mail: 'b' }));
    await assert.rejects(users.insert(user(3, { mail: 'a' })), taken('byMail'));
    await assert.rejects(users.upsert(user(3, { mail: 'a' })), taken('byMail'));
    await assert.rejects(users.upsert(user(2, { mail: 'a' })), taken('byMail'));
    await assert.rejects(users.update(2, { mail: 'a' }), taken('byMail'));
    await users.update(1, { mail: 'c' });
    await users.update(2, { mail: 'a' });
    await users.update(2, { mail: 'a', age: 3 });
    await users.remove(2);
    await users.insert(user(3, { mail: 'a' }));
    assert.deepEqual(ids(await users.find({ index: 'byMail' }).all()), [3, 1]);
  });

  test('that are absent never collide, and are found as absent', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    for (let i = 1; i <= 5; i += 1) await users.insert(user(i));
    await users.insert(user(6, { mail: '' }));
    assert.deepEqual(ids(await users.find({ index: 'byMail', equals: [undefined] }).all()), [1, 2, 3, 4, 5]);
    assert.deepEqual(ids(await users.find({ index: 'byMail', after: [undefined] }).all()), [6]);
    await users.update(6, { mail: undefined });
    await users.update(1, { mail: '' });
    assert.deepEqual(ids(await users.find({ index: 'byMail' }).all()), [2, 3, 4, 5, 6, 1]);
  });
});

onBothKinds('find', (open) => {
  const rows = [5, 1, 3, 200, 0, 255, 4].map((id) => ({ id, signed: (id % 256) - 128 }));

  test('knows every kind of bound, forwards and backwards', async () => {
    await using db = await open({ classes });
    const small = db.records(Small);
    for (const row of rows) await small.insert(row);
    const sorted = rows.map(({ id }) => id).sort((a, b) => a - b);
    const found = async (options: Parameters<typeof small.find>[0]): Promise<number[]> =>
      (await small.find(options).all()).map(({ id }) => id);
    for (const bound of [0, 1, 2, 5, 6, 199, 200, 254, 255]) {
      const bounds = {
        equals: sorted.filter((id) => id === bound),
        from: sorted.filter((id) => id >= bound),
        after: sorted.filter((id) => id > bound),
        to: sorted.filter((id) => id <= bound),
        before: sorted.filter((id) => id < bound),
      };
      for (const [which, expected] of Object.entries(bounds)) {
        assert.deepEqual(await found({ [which]: bound }), expected, `${which} ${bound}`);
        const backwards = await found({ [which]: bound, reverse: true });
        assert.deepEqual(backwards, expected.toReversed(), `${which} ${bound}, reverse`);
        const two = await found({ [which]: bound, limit: 2, reverse: true });
        assert.deepEqual(two, expected.toReversed().slice(0, 2));
      }
      assert.deepEqual(
        await found({ after: 1, to: bound }),
        sorted.filter((id) => id > 1 && id <= bound),
      );
    }
    assert.deepEqual(await found({}), sorted);
    assert.deepEqual(await found({ reverse: true }), sorted.toReversed());
    assert.deepEqual(await found({ from: 5, before: 1 }), []);
    assert.deepEqual(await found({ from: 5, before: 1, reverse: true }), []);
  });

  test('goes through a compound index in the order of each of its fields', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    for (const [id, name, age] of [
      [1, 'b', 1],
      [2, 'a', 1],
      [3, 'a', 3],
      [4, 'a', 2],
      [5, 'ab', 9],
      [6, '', 0],
    ] as const)
      await users.insert(user(id, { name, age }));
    const found = async (options: Parameters<typeof users.find<'byName'>>[0]): Promise<number[]> =>
      ids(await users.find({ ...options, index: 'byName' }).all());
    assert.deepEqual(await found({}), [6, 3, 4, 2, 5, 1]);
    assert.deepEqual(await found({ equals: 'a' }), [3, 4, 2]);
    assert.deepEqual(await found({ equals: ['a', 2] }), [4]);
    assert.deepEqual(await found({ from: ['a', 2], to: 'a' }), [4, 2]);
    assert.deepEqual(await found({ after: ['a', 2] }), [2, 5, 1]);
    assert.deepEqual(await found({ before: 'ab', reverse: true }), [2, 4, 3, 6]);
    assert.deepEqual(await found({ after: 'a', before: 'b' }), [5]);
  });

  test('takes no more than limit, and nothing for 0', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    for (let i = 0; i < 1000; i += 1) void users.insert(user(i));
    assert.equal(await users.find().count(), 1000);
    assert.deepEqual(await users.find({ limit: 0 }).all(), []);
    assert.equal(await users.find({ limit: 0 }).first(), undefined);
    assert.deepEqual(ids(await users.find({ limit: 3, from: 500 }).all()), [500, 501, 502]);
    assert.equal((await users.find({ reverse: true }).first())?.id, 999);
    assert.equal(await users.find({ limit: 5000 }).count(), 1000);
  });

  test('can be left in the middle, and sees its records as they were at its begin', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    for (let i = 0; i < 1000; i += 1) void users.insert(user(i));
    for (let round = 0; round < 300; round += 1) {
      for await (const each of users.find({ index: 'byAge' })) if (each.id > 100) break;
    }
    let seen = 0;
    for await (const each of users.find()) {
      if (seen === 0) await users.deleteAll();
      assert.equal(each.id, seen);
      seen += 1;
    }
    assert.equal(seen, 1000);
    assert.equal(await users.find().count(), 0);
  });

  test('by a hash index wants equal values', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    await users.insert(user(1, { name: 'x' }));
    assert.deepEqual(ids(await users.find({ index: 'byTag', equals: 'x' }).all()), [1]);
    for (const options of [{}, { from: 'a' }, { before: 'b' }])
      assert.throws(() => users.find({ ...options, index: 'byTag' }), refused('equals'));
  });

  test('refuses what means no range', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    assert.throws(() => users.find({ index: 'nothing' as never }), refused('index'));
    assert.throws(() => users.find({ limit: -1 }), refused('limit'));
    assert.throws(() => users.find({ limit: 1.5 }), refused('limit'));
    assert.throws(() => users.find({ reverse: 1 as never }), refused('reverse'));
    assert.throws(() => users.find({ equals: 1, from: 1 }), refused('from'));
    assert.throws(() => users.find({ from: 1, after: 1 }), refused('after'));
    assert.throws(() => users.find({ to: 1, before: 1 }), refused('before'));
    assert.throws(() => users.find({ equals: [] }), refused('equals'));
    assert.throws(() => users.find({ equals: [1, 2] }), refused('equals'));
    assert.throws(() => users.find({ equals: 'a' as never }), invalid('id'));
    assert.throws(() => users.find({ which: 1 } as never), InvalidArgumentError);
    const tickets = db.records(Ticket);
    assert.throws(() => tickets.find({ from: [undefined as never] }), ValidationError);
  });

  test('finds nothing more for a bound that is given and undefined, null or no number', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    await users.insert(user(1, { mail: undefined }));
    await users.insert(user(2, { mail: 'a' }));
    const body: Record<string, never> = JSON.parse('{}');
    for (const bound of ['equals', 'from', 'after', 'to', 'before'])
      for (const index of [undefined, 'byName', 'byMail'] as const) {
        const find = (value: unknown) => users.find({ ...(index && { index }), [bound]: value });
        const isOptional = index === 'byMail' && bound === 'equals';
        if (!isOptional) assert.throws(() => find(body.token), refused(bound), `${bound} of ${index}`);
        for (const value of [null, Number.NaN, {}])
          assert.throws(
            () => find(value),
            (error) => error instanceof InvalidArgumentError || error instanceof ValidationError,
          );
      }
    assert.deepEqual(ids(await users.find({ index: 'byMail', equals: undefined }).all()), [1]);
    assert.deepEqual(ids(await users.find({ index: 'byMail', after: [undefined] }).all()), [2]);
  });

  test('for await and all() do not keep others from their turns', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    for (let i = 0; i < 2000; i += 1) void users.insert(user(i));
    await users.find().count();
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 0);
    while (turns === 0) assert.equal(await users.find().count(), 2000);
    clearInterval(timer);
  });
});

onBothKinds('a refusal', (open) => {
  test('comes once that is safe which it is because of', async () => {
    await using db = await open({ classes });
    let isSafe = false;
    const first = db
      .records(User)
      .insert(user(1))
      .then(() => {
        isSafe = true;
      });
    await assert.rejects(db.records(User).insert(user(1)), taken(undefined));
    assert.ok(isSafe);
    await first;
    const written = db.insert('k', 1).then(() => {
      isSafe = false;
    });
    await assert.rejects(db.insert('k', 2), KeyExistsError);
    assert.ok(!isSafe);
    await written;
  });

  test('of a record that is too large is its own alone', async () => {
    await using db = await open({ classes });
    const users = db.records(User);
    const outcomes = await Promise.allSettled([
      users.insert(user(1)),
      users.insert(user(2, { photo: Buffer.alloc(2 ** 30 + 1) })),
      users.insert(user(3)),
    ]);
    assert.deepEqual(
      outcomes.map((each) => (each.status === 'rejected' ? each.reason.constructor : each.value.id)),
      [1, ValidationError, 3],
    );
  });
});

onBothKinds('an autoid', (open) => {
  test('is given where none is, and one that is given is respected', async () => {
    await using db = await open({ classes });
    const tickets = db.records(Ticket);
    const first = await tickets.insert({ text: 'a' });
    assert.equal(typeof first.id, 'bigint');
    assert.deepEqual(await tickets.get(first.id), first);
    const many = await Promise.all(Array.from({ length: 500 }, () => tickets.insert({ text: 'b' })));
    assert.equal(new Set(many.map(({ id }) => id)).size, 500);
    await tickets.insert({ id: 5000n, text: 'explicit' });
    await assert.rejects(tickets.insert({ id: 5000n, text: 'again' }), KeyExistsError);
    await tickets.upsert({ id: 6000n, text: 'upserted' });
    const more = await Promise.all(Array.from({ length: 500 }, () => tickets.insert({ text: 'c' })));
    const all = [...many, ...more].map(({ id }) => id);
    assert.equal(new Set([...all, first.id, 5000n, 6000n]).size, 1003);
    assert.equal(await tickets.find().count(), 1003);
    await assert.rejects(tickets.upsert({ text: 'x' } as never), refused('record'));
    await assert.rejects(tickets.update(5000n, { id: 5n }), refused('changes'));
    for (const none of [new Map([['text', 'x']]), new Date(), ['x'], null, 'text'])
      await assert.rejects(tickets.update(5000n, none as never), refused('changes'));
  });

  test('that was given next to those taken in advance is not given again, not even once it is removed', async () => {
    await using db = await open({ classes });
    const tickets = db.records(Ticket);
    const { id } = await tickets.insert({ text: 'a' });
    await tickets.insert({ id: id + 1n, text: 'explicit' });
    await tickets.remove(id + 1n);
    const next = await tickets.insert({ text: 'b' });
    assert.ok(next.id > id + 1n);
  });

  test('of the largest number can be given, and after it there is none', async () => {
    await using db = await open({ classes });
    const tickets = db.records(Ticket);
    const largest = 2n ** 64n - 1n;
    await tickets.insert({ id: largest, text: 'x' });
    assert.equal((await tickets.get(largest))?.text, 'x');
    const others = db.records(User).insert(user(1));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, () => tickets.insert({ text: 'y' })),
    );
    await others;
    const failed = outcomes.filter((each) => each.status === 'rejected');
    assert.ok(failed.length > 0);
    for (const each of failed) assert.ok(each.reason instanceof ValidationError, String(each.reason));
    assert.equal(await tickets.find().count(), 1 + outcomes.length - failed.length);
    await assert.rejects(
      db.transaction((tx) => tx.records(Ticket).insert({ text: 'z' })),
      ValidationError,
    );
  });

  test('in a transaction is another than those of everybody else', async () => {
    await using db = await open({ classes });
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        i % 2 === 0
          ? db.records(Ticket).insert({ text: 'a' })
          : db.transaction(async (tx) => {
              const [one] = await Promise.all(
                Array.from({ length: 20 }, () => tx.records(Ticket).insert({ text: 'b' })),
              );
              return one as RecordOf<typeof Ticket>;
            }),
      ),
    );
    assert.equal(new Set(made.map(({ id }) => id)).size, 20);
    assert.equal(await db.records(Ticket).find().count(), 210);
  });
});

test('an autoid passes over numbers that others have given to records', async () => {
  const Numbered = defineClass('Numbered', {
    key: 'name',
    fields: { name: field.string(), number: field.autoid() },
    indexes: { byNumber: uniqueIndex('number') },
  });
  await using directory = await Directory.make();
  await using db = await directory.open({ classes: [Ticket, Numbered] });
  const [tickets, numbered] = [db.records(Ticket), db.records(Numbered)];
  const { id } = await tickets.insert({ text: 'a' });
  const { number } = await numbered.insert({ name: 'a' });
  // All that this thread has taken in advance, and more.
  const worker = inWorker(
    async ({ evenkeel, workers }, { url, id, number }) => {
      const db = await evenkeel.connect(url as 'embedded:');
      const [Ticket, Numbered] = db.classes as unknown as [never, never];
      for (let i = 1n; i <= 200n; i += 1n) {
        await db.records(Ticket).insert({ id: BigInt(id) + i, text: 'given' } as never);
        await db.records(Numbered).insert({ name: `${i}`, number: BigInt(number) + i } as never);
      }
      await db.close();
      workers.parentPort?.postMessage('done');
    },
    { url: directory.url as string, id: String(id), number: String(number) },
  );
  await messageOf(worker);
  const inserted = await db.transaction(async (tx) => [
    (await tx.records(Ticket).insert({ text: 'b' })).id,
    (await tx.records(Numbered).insert({ name: 'b' })).number,
  ]);
  inserted.push((await tickets.insert({ text: 'c' })).id, (await numbered.insert({ name: 'c' })).number);
  assert.ok(inserted.every((each) => each > 200n));
  assert.equal(await tickets.find().count(), 203);
  assert.equal(await numbered.find().count(), 203);
});

test('an autoid that a transaction does not wait for is part of it all the same', async () => {
  await using db = await connect('embedded:', { classes: [Ticket] });
  let late: Promise<unknown> | undefined;
  await db.transaction((tx) => {
    late = tx.records(Ticket).insert({ text: 'nobody waits' });
  });
  assert.deepEqual(await late, { id: 1n, text: 'nobody waits' });
  assert.equal(await db.records(Ticket).find().count(), 1);
});

test('an autoid is unique across threads and restarts', async () => {
  await using directory = await Directory.make();
  const seen: bigint[] = [];
  for (let round = 0; round < 2; round += 1) {
    const workers = [1, 2].map(() =>
      inWorker(async ({ evenkeel, workers }, url) => {
        const { field } = evenkeel;
        const Ticket = evenkeel.defineClass('Ticket', {
          key: 'id',
          fields: { id: field.autoid(), text: field.string() },
        });
        const db = await evenkeel.connect(url as 'embedded:', { classes: [Ticket] });
        const made = await Promise.all(
          Array.from({ length: 300 }, () => db.records(Ticket).insert({ text: 'w' })),
        );
        await db.close();
        workers.parentPort?.postMessage(made.map(({ id }) => id));
      }, directory.url as string),
    );
    const answers = Promise.all(workers.map((worker) => messageOf<bigint[]>(worker)));
    await using db = await directory.open({ classes: [Ticket] });
    const mine = await Promise.all(
      Array.from({ length: 300 }, () => db.records(Ticket).insert({ text: 'm' })),
    );
    seen.push(...mine.map(({ id }) => id), ...(await answers).flat());
    assert.equal(await db.records(Ticket).find().count(), seen.length);
  }
  assert.equal(new Set(seen).size, 1800);
});

const Modelled = defineClass('Modelled', {
  key: ['group', 'id'],
  fields: {
    group: field.string(),
    id: field.int8(),
    mail: field.optional(field.string()),
    rank: field.float64(),
    code: field.optional(field.uint8()),
  },
  indexes: {
    byMail: uniqueIndex('mail'),
    byRank: index(desc('rank'), 'group'),
    byCode: uniqueHashIndex('code', 'group'),
  },
});
type ModelRecord = RecordOf<typeof Modelled>;

test('any run of operations leaves what it would leave in a Map, by key and by every index', async () => {
  const group = fc.constantFrom('', 'a', 'a\0', 'b');
  const id = fc.integer({ min: -2, max: 2 });
  const mail = fc.option(fc.constantFrom('', 'x', 'x\0', 'y'), { nil: undefined });
  const rank = fc.constantFrom(-1.5, 0, 1, Number.POSITIVE_INFINITY);
  const code = fc.option(fc.constantFrom(0, 255), { nil: undefined });
  const record = fc.record({ group, id, mail, rank, code }, { noNullPrototype: true });
  const command = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ op: fc.constantFrom('insert' as const, 'upsert' as const), record }),
    },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('update' as const), record }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), record }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('find' as const), record }) },
  );
  const keyOf = (each: ModelRecord): string => `${each.group}/${each.id}`;
  const byKey = (a: ModelRecord, b: ModelRecord): number =>
    Buffer.compare(Buffer.from(a.group), Buffer.from(b.group)) || a.id - b.id;
  const byMail = (a: ModelRecord, b: ModelRecord): number =>
    Number(a.mail !== undefined) - Number(b.mail !== undefined) ||
    Buffer.compare(Buffer.from(a.mail ?? ''), Buffer.from(b.mail ?? '')) ||
    byKey(a, b);
  const byRank = (a: ModelRecord, b: ModelRecord): number =>
    a.rank === b.rank ? byKey(a, b) : b.rank - a.rank;

  const runs = fc.asyncProperty(
    fc.array(command, { maxLength: 60 }),
    fc.boolean(),
    async (commands, inOne) => {
      await using db = await connect('embedded:', { classes: [Modelled] });
      const model = new Map<string, ModelRecord>();
      const collides = (given: ModelRecord): boolean =>
        [...model.values()].some(
          (each) =>
            keyOf(each) !== keyOf(given) &&
            ((each.mail !== undefined && each.mail === given.mail) ||
              (each.code !== undefined && each.code === given.code && each.group === given.group)),
        );
      const work = async (records: ReturnType<typeof db.records<typeof Modelled>>): Promise<void> => {
        const check = async (): Promise<void> => {
          const all = [...model.values()];
          assert.deepEqual(await records.find().all(), all.toSorted(byKey));
          assert.deepEqual(await records.find({ index: 'byMail' }).all(), all.toSorted(byMail));
          const backwards = await records.find({ index: 'byRank', reverse: true }).all();
          assert.deepEqual(backwards, all.toSorted(byRank).reverse());
        };
        for (const { op, record } of commands) {
          const key = keyOf(record);
          const isThere = model.has(key);
          if (op === 'find') {
            const all = [...model.values()];
            assert.deepEqual(await records.get([record.group, record.id]), model.get(key));
            assert.deepEqual(
              await records.find({ index: 'byRank', from: record.rank, limit: 3 }).all(),
              all
                .filter((each) => each.rank <= record.rank)
                .sort(byRank)
                .slice(0, 3),
            );
            assert.deepEqual(
              await records.find({ index: 'byCode', equals: [record.code, record.group] }).all(),
              all.filter((each) => each.code === record.code && each.group === record.group).sort(byKey),
            );
            assert.deepEqual(
              await records.find({ after: record.group }).all(),
              all
                .filter((each) => Buffer.compare(Buffer.from(each.group), Buffer.from(record.group)) > 0)
                .sort(byKey),
            );
          } else if (op === 'remove') {
            assert.equal(await records.remove([record.group, record.id]), model.delete(key));
          } else {
            const { mail, rank, code } = record;
            const outcome =
              op === 'update'
                ? records.update([record.group, record.id], { mail, rank, code })
                : records[op](record);
            const expected =
              op === 'update' && !isThere
                ? KeyNotFoundError
                : (op === 'insert' && isThere) || collides(record)
                  ? KeyExistsError
                  : undefined;
            if (expected !== undefined) {
              await assert.rejects(outcome, expected);
            } else {
              assert.deepEqual(await outcome, record);
              model.set(key, record);
            }
          }
        }
        await check();
      };
      if (inOne) await db.transaction((tx) => work(tx.records(Modelled)));
      else await work(db.records(Modelled));
      assert.deepEqual(await db.records(Modelled).find().all(), [...model.values()].sort(byKey));
      assert.deepEqual(
        await db.records(Modelled).find({ index: 'byMail' }).all(),
        [...model.values()].sort(byMail),
      );
    },
  );
  // What fails is told with its seed.
  await fc.assert(runs, { numRuns: 120 });
});
