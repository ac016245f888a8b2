import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  type ClassDefinition,
  defineClass,
  field,
  hashIndex,
  type IndexProgress,
  InvalidArgumentError,
  index,
  KeyExistsError,
  onNew,
  onUpdate,
  SchemaMismatchError,
  uniqueIndex,
} from '../../lib/index.ts';
import { inWorker, messageOf } from '../faults/elsewhere.mts';
import { Directory } from './embedded.mts';

const fields = { id: field.uint32(), name: field.string(), age: field.uint8() };
const indexes = { byName: index('name') };
/** Made anew by each call, as by another module or another version of a program. */
const user = () => defineClass('User', { key: 'id', fields, indexes, events: [onNew()], ttl: { age: 1e9 } });

const more = () =>
  defineClass('User', {
    key: 'id',
    fields: {
      mail: field.optional(field.string()),
      ...fields,
      home: field.optional(field.struct({ street: field.string() })),
    },
    indexes: { ...indexes, byAge: index('age', 'name'), byMail: uniqueIndex('mail'), fast: hashIndex('age') },
    events: [onNew(), onUpdate('changed')],
    ttl: { age: 1e9 },
  });

const mismatch =
  (what: RegExp, name = 'User') =>
  (error: unknown) => {
    assert.ok(error instanceof SchemaMismatchError, String(error));
    assert.match(error.message, what);
    assert.equal(error.context.class, name);
    return true;
  };

async function filled(directory: Directory, count: number): Promise<void> {
  const User = user();
  await using db = await directory.open({ classes: [User] });
  for (let id = 1; id <= count; id += 1) void db.records(User).insert({ id, name: `n${id}`, age: id % 50 });
  assert.equal(await db.records(User).find().count(), count);
}

describe('a stored class', () => {
  test('is the same for an equal definition, wherever that was made', async () => {
    await using directory = await Directory.make();
    await filled(directory, 3);
    const User = user();
    await using db = await directory.open({ classes: [User] });
    assert.equal((await db.records(User).get(2))?.name, 'n2');
    assert.equal((await db.records(User).find({ index: 'byName', equals: 'n3' }).first())?.id, 3);
  });

  const others: [what: string, definition: () => ClassDefinition, message: RegExp][] = [
    [
      'another key',
      () => defineClass('User', { key: 'name', fields, indexes, events: [onNew()], ttl: { age: 1e9 } }),
      /its key is different/,
    ],
    [
      'a field less',
      () =>
        defineClass('User', {
          key: 'id',
          fields: { id: fields.id, name: fields.name },
          indexes,
          events: [onNew()],
          ttl: { age: 1e9 },
        }),
      /the field age is missing/,
    ],
    [
      'a field of another type',
      () =>
        defineClass('User', {
          key: 'id',
          fields: { ...fields, age: field.uint16() },
          indexes,
          events: [onNew()],
          ttl: { age: 1e9 },
        }),
      /the field age is different/,
    ],
    [
      'a new field that must be there',
      () =>
        defineClass('User', {
          key: 'id',
          fields: { ...fields, mail: field.string() },
          indexes,
          events: [onNew()],
          ttl: { age: 1e9 },
        }),
      /the new field mail is not optional/,
    ],
    [
      'an index of other fields',
      () =>
        defineClass('User', {
          key: 'id',
          fields,
          indexes: { byName: index('name', 'age') },
          events: [onNew()],
          ttl: { age: 1e9 },
        }),
      /the index byName is different/,
    ],
    [
      'an index less',
      () => defineClass('User', { key: 'id', fields, events: [onNew()], ttl: { age: 1e9 } }),
      /the index byName is missing/,
    ],
    [
      'an event less',
      () => defineClass('User', { key: 'id', fields, indexes, ttl: { age: 1e9 } }),
      /the event User.new is missing/,
    ],
    [
      'another Time-To-Live',
      () => defineClass('User', { key: 'id', fields, indexes, events: [onNew()], ttl: { age: 5 } }),
      /its Time-To-Live is different/,
    ],
  ];
  for (const [what, definition, message] of others) {
    test(`with ${what} is a SchemaMismatchError, and stays as it was`, async () => {
      await using directory = await Directory.make();
      await filled(directory, 3);
      const New = defineClass('New', { key: 'id', fields: { id: field.uint8() } });
      await assert.rejects(directory.open({ classes: [New, definition()] }), mismatch(message));
      const User = user();
      await using db = await directory.open({ classes: [User] });
      assert.equal(await db.records(User).find().count(), 3);
      assert.deepEqual(
        db.classes.map(({ name }) => name),
        ['User'],
      );
    });
  }

  test('may be given optional fields, indexes and events; old records are found by the new index', async () => {
    await using directory = await Directory.make();
    await filled(directory, 1200);
    const User = more();
    const progress: IndexProgress[] = [];
    await using db = await directory.open({ classes: [User], onProgress: (each) => progress.push(each) });
    for (const name of ['byAge', 'byMail', 'fast']) {
      const ours = progress.filter((each) => each.index === name);
      assert.ok(ours.length > 1, 'it is told more than once');
      assert.deepEqual(ours.at(-1), { class: 'User', index: name, done: 1200, total: 1200 });
      assert.deepEqual(
        ours.map(({ done }) => done),
        ours.map(({ done }) => done).toSorted((a, b) => a - b),
      );
    }
    assert.equal(
      progress.some((each) => each.index === 'byName'),
      false,
    );
    const users = db.records(User);
    assert.deepEqual(await users.get(7), { id: 7, name: 'n7', age: 7 });
    const found = await users.find({ index: 'byAge', equals: 7, limit: 3 }).all();
    assert.deepEqual(
      found.map(({ name }) => name),
      ['n1007', 'n1057', 'n107'],
    );
    assert.equal(await users.find({ index: 'byMail', equals: [undefined] }).count(), 1200);
    assert.equal(await users.find({ index: 'fast', equals: 0 }).count(), 24);
    await users.update(7, { mail: 'a', home: { street: 's' } });
    await assert.rejects(users.update(8, { mail: 'a' }), KeyExistsError);
    assert.deepEqual(await users.find({ index: 'byMail', equals: 'a' }).all(), [
      { mail: 'a', id: 7, name: 'n7', age: 7, home: { street: 's' } },
    ]);
    assert.equal(await users.remove(1007), true);
    assert.equal(await users.find({ index: 'byAge', equals: 7 }).count(), 23);
    await db.close();
    // What had it before has too little now.
    await assert.rejects(directory.open({ classes: [user()] }), mismatch(/is missing/));
    const Again = more();
    await using again = await directory.open({
      classes: [Again],
      onProgress: () => assert.fail('built again'),
    });
    assert.equal((await again.records(Again).get(7))?.mail, 'a');
  });

  test('cannot be given a unique index over equal values; all stays as it was', async () => {
    await using directory = await Directory.make();
    const User = user();
    await using db = await directory.open({ classes: [User] });
    const users = db.records(User);
    for (let id = 1; id <= 700; id += 1) void users.insert({ id, name: `n${id % 699}`, age: 1 });
    await users.find().count();
    const Unique = defineClass('User', {
      key: 'id',
      fields,
      indexes: { ...indexes, byAge: index('age'), only: uniqueIndex('name') },
      events: [onNew()],
      ttl: { age: 1e9 },
    });
    for (let round = 0; round < 2; round += 1) {
      await assert.rejects(directory.open({ classes: [Unique] }), (error) => {
        assert.ok(error instanceof SchemaMismatchError);
        assert.deepEqual(error.context, { class: 'User', index: 'only' });
        return true;
      });
      assert.equal(await db.records(User).find({ index: 'byName', equals: 'n1' }).count(), 2);
      await users.update(5, { age: 50 + round });
      assert.equal((await db.records(User).get(5))?.age, 50 + round);
    }
    await users.remove(700);
    await db.close();
    await using unique = await directory.open({ classes: [Unique] });
    assert.equal(await unique.records(Unique).find({ index: 'byAge', equals: 1 }).count(), 698);
    await assert.rejects(unique.records(Unique).insert({ id: 800, name: 'n5', age: 1 }), KeyExistsError);
  });

  test('shares no name of an event with another, whenever that was stored', async () => {
    await using directory = await Directory.make();
    const Other = (name: string) =>
      defineClass('Other', { key: 'id', fields: { id: field.uint32() }, events: [onNew(name)] });
    await (await directory.open({ classes: [user()] })).close();
    await assert.rejects(
      directory.open({ classes: [Other('User.new')] }),
      mismatch(/class Other has an event User\.new, and so has User/, 'Other'),
    );
    await using db = await directory.open({ classes: [Other('Other.new')] });
    assert.equal(db.classes.length, 2);
  });

  test('needs not be named: a database opened without classes knows and keeps it', async () => {
    await using directory = await Directory.make();
    await filled(directory, 3);
    await using db = await directory.open();
    const [User] = db.classes as readonly ClassDefinition[];
    assert.ok(User);
    assert.deepEqual(Object.keys(User.fields), ['id', 'name', 'age']);
    await db.upsert('plain', 1);
    assert.throws(() => db.records(user() as never), InvalidArgumentError);
    assert.equal(await db.transaction((tx) => tx.records(User).find().count()), 3);
    await db.close();
    const Other = defineClass('Other', { key: 'id', fields: { id: field.uint8() } });
    await using other = await directory.open({ classes: [Other] });
    await other.records(Other).insert({ id: 1 });
    assert.deepEqual(other.classes.map(({ name }) => name).sort(), ['Other', 'User'] as never);
  });

  test('is asked for once, and read only where nothing has to be stored', async () => {
    await using directory = await Directory.make();
    await filled(directory, 3);
    const User = user();
    await assert.rejects(directory.open({ classes: [User, user()] }), InvalidArgumentError);
    await assert.rejects(directory.open({ classes: [{} as never] }), InvalidArgumentError);
    await assert.rejects(directory.open({ classes: [more()], readOnly: true }), SchemaMismatchError);
    await using db = await directory.open({ classes: [User], readOnly: true });
    assert.equal(await db.records(User).find().count(), 3);
  });
});

describe('two databases of one thread on the same directory', () => {
  test('see each other’s commits, whether their definitions are the same or equal', async () => {
    await using directory = await Directory.make();
    const [User, Equal] = [user(), user()];
    await using one = await directory.open({ classes: [User] });
    const before = one.records(User);
    await using two = await directory.open({ classes: [User] });
    await using three = await directory.open({ classes: [Equal] });
    await before.insert({ id: 1, name: 'one', age: 1 });
    await two.records(User).insert({ id: 2, name: 'two', age: 2 });
    await three.records(Equal).insert({ id: 3, name: 'three', age: 3 });
    await one.records(User).update(3, { age: 4 });
    await one.transaction((tx) => tx.records(User).update(2, { age: 5 }));
    for (const records of [before, one.records(User), two.records(User), three.records(Equal)]) {
      const all = await records.find({ index: 'byName' }).all();
      assert.deepEqual(
        all.map(({ name, age }) => [name, age]),
        [
          ['one', 1],
          ['three', 4],
          ['two', 5],
        ],
      );
    }
    await one.close();
    assert.equal(await two.records(User).find().count(), 3);
    await assert.rejects(directory.open({ durability: 'none' }), InvalidArgumentError);
  });

  test('may use both their definitions of a class in one transaction, and in one order', async () => {
    await using directory = await Directory.make();
    const make = () =>
      defineClass('Seat', {
        key: 'id',
        fields: { id: field.uint32(), guest: field.string() },
        indexes: { byGuest: uniqueIndex('guest') },
      });
    const [Seat, Same] = [make(), make()];
    await using db = await directory.open({ classes: [Seat] });
    await using other = await directory.open({ classes: [Same] });
    await db.transaction(async (tx) => {
      await tx.records(Seat).insert({ id: 1, guest: 'Ada' });
      assert.equal((await tx.records(Same).get(1))?.guest, 'Ada');
      await assert.rejects(tx.records(Same).insert({ id: 2, guest: 'Ada' }), KeyExistsError);
    });
    const written = db.records(Seat).insert({ id: 3, guest: 'Grace' });
    assert.equal((await db.records(Same).get(3))?.guest, 'Grace');
    assert.equal(await other.records(Same).find({ index: 'byGuest' }).count(), 2);
    await written;
  });

  test('have one schema: who has the old class is refused once it has grown, and no index misses a record', async () => {
    await using directory = await Directory.make();
    const [User, More] = [user(), more()];
    await using one = await directory.open({ classes: [User] });
    const old = one.records(User);
    await old.insert({ id: 1, name: 'a', age: 1 });
    await using two = await directory.open({ classes: [More] });
    await assert.rejects(old.insert({ id: 2, name: 'b', age: 2 }), SchemaMismatchError);
    await assert.rejects(old.deleteAll(), SchemaMismatchError);
    assert.throws(() => one.records(User), InvalidArgumentError);
    await two.records(More).insert({ id: 3, name: 'c', age: 3, mail: 'c' });
    assert.equal(await two.records(More).find({ index: 'byAge' }).count(), 2);
    await one.upsert('plain', 1);
    assert.equal(await two.get('plain'), 1);
  });

  test('tell who follows the schema when it grows, and not with the next commit', async () => {
    await using directory = await Directory.make();
    const User = user();
    await using one = await directory.open({ classes: [User] });
    const feed = one.events.feed(User, { kinds: ['schema'] });
    let kind: string | undefined;
    const event = feed.next().then(({ value }) => {
      kind = value?.kind;
    });
    await using _two = await directory.open({ classes: [more()] });
    // Not by the look that is taken once a second: in one of the next turns.
    for (let turn = 0; turn < 200 && kind === undefined; turn += 1) await setImmediate();
    assert.equal(kind, 'schema');
    await event;
    feed.close();
  });

  test('are one for who opens while another closes', async () => {
    await using directory = await Directory.make();
    for (let round = 0; round < 10; round += 1) {
      const User = user();
      const [a, b] = await Promise.all([
        directory.open({ classes: [User] }),
        directory.open({ classes: [User] }),
      ]);
      await a.records(User).insert({ id: round, name: 'x', age: 1 });
      const closing = Promise.all([a.close(), b.close()]);
      const c = await directory.open({ classes: [User] });
      await closing;
      assert.equal(await c.records(User).find().count(), round + 1);
      await c.records(User).update(round, { age: 2 });
      await c.close();
    }
  });

  test('cannot be said to be restored, or be open in another way, while one is', async () => {
    await using directory = await Directory.make();
    await using one = await directory.open({ classes: [user()] });
    for (const options of [{ restored: true }, { readOnly: true }, { durability: 'none' }] as const) {
      const [argument] = Object.keys(options);
      await assert.rejects(directory.open(options), (error) => {
        assert.ok(error instanceof InvalidArgumentError);
        assert.equal(error.context.argument, argument);
        return true;
      });
    }
    await one.upsert('k', 1);
  });

  test('may write while an index is built: before it or after it, and nothing is missing in it', async () => {
    await using directory = await Directory.make();
    await filled(directory, 3000);
    await using one = await directory.open();
    let written: Promise<unknown> | undefined;
    const User = more();
    await using two = await directory.open({
      classes: [User],
      onProgress: () => {
        written ??= one.upsert('plain', 'while it is built');
      },
    });
    await written;
    assert.equal(await one.get('plain'), 'while it is built');
    assert.equal(await two.records(User).find({ index: 'byAge' }).count(), 3000);
  });
});

describe('several threads on a new directory', () => {
  test('that declare the same classes at once all write', async () => {
    for (let round = 0; round < 3; round += 1) {
      await using directory = await Directory.make();
      const workers = [1, 2, 3].map((id) =>
        inWorker(
          async ({ evenkeel, workers }, { url, id }) => {
            const { field } = evenkeel;
            const User = evenkeel.defineClass('User', {
              key: 'id',
              fields: { id: field.uint32(), name: field.string() },
              indexes: { byName: evenkeel.index('name') },
            });
            const db = await evenkeel.connect(url as 'embedded:', { classes: [User] });
            const outcomes = await Promise.allSettled(
              Array.from({ length: 20 }, (_, i) => db.records(User).insert({ id: id * 100 + i, name: 'x' })),
            );
            await db.close();
            workers.parentPort?.postMessage(
              outcomes.map((each) => each.status === 'fulfilled' || String(each.reason)),
            );
          },
          { url: directory.url as string, id },
        ),
      );
      const answers = await Promise.all(workers.map((worker) => messageOf<unknown[]>(worker)));
      assert.deepEqual(new Set(answers.flat()), new Set([true]));
    }
  });

  test('a class that another thread has changed is a SchemaMismatchError at the next write, at once', async () => {
    await using directory = await Directory.make();
    const User = user();
    await using db = await directory.open({ classes: [User] });
    await db.records(User).insert({ id: 1, name: 'a', age: 1 });
    const worker = inWorker(async ({ evenkeel, workers }, url) => {
      const { field } = evenkeel;
      const User = evenkeel.defineClass('User', {
        key: 'id',
        fields: {
          id: field.uint32(),
          name: field.string(),
          age: field.uint8(),
          more: field.optional(field.uint8()),
        },
        indexes: { byName: evenkeel.index('name') },
        events: [evenkeel.onNew()],
        ttl: { age: 1e9 },
      });
      const db = await evenkeel.connect(url as 'embedded:', { classes: [User] });
      await db.records(User).insert({ id: 2, name: 'b', age: 1, more: 1 });
      await db.close();
      workers.parentPort?.postMessage('done');
    }, directory.url as string);
    assert.equal(await messageOf(worker), 'done');
    const writes = [
      db.records(User).insert({ id: 3, name: 'c', age: 1 }),
      db.upsert('plain', 1),
      db.transaction((tx) => tx.upsert('plain', 1)),
    ];
    for (const each of writes) await assert.rejects(each, SchemaMismatchError);
    // What it can read it reads.
    assert.equal((await db.records(User).get(2))?.name, 'b');
  });
});
