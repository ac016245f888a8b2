import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { on } from 'node:events';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type AnyEvent,
  type ClassDefinition,
  connect,
  defineClass,
  EventNotDeclaredError,
  field,
  InvalidArgumentError,
  onNew,
  SchemaMismatchError,
} from '../../lib/index.ts';
import { Clock } from './embedded.mts';
import { Directory, short } from './events-shop.mts';

const Thing = defineClass('Thing', {
  key: 'id',
  fields: { id: field.uint32(), name: field.string(), tags: field.vector(field.string()) },
});
const Named = defineClass('Named', {
  key: 'id',
  fields: { id: field.uint32(), name: field.string() },
  events: [onNew('namedNew')],
});
const classes = [Thing, Named] as const;
const all = ['new', 'update', 'fieldUpdate:name', 'delete', 'deleteAll', 'checkpoint', 'expire'] as const;

/** What is told of a feed in short, as much as there has to be. */
async function take(feed: AsyncIterator<{ readonly kind: string }>, count: number): Promise<string[]> {
  const told: string[] = [];
  while (told.length < count) {
    const { value } = await feed.next();
    told.push(short(value));
  }
  return told;
}

const thing = (id: number, name = 'a') => ({ id, name, tags: [] });

describe("events: 'implicit'", () => {
  test('scenario 37: with it every kind is told of a class that declares nothing', async () => {
    const clock = new Clock();
    await using db = await connect('embedded:', { classes, events: 'implicit', clock: clock.read });
    assert.equal(db.events.implicit, true);
    const feed = db.events.feed(Thing, { kinds: all });
    const handled: string[] = [];
    const subscription = await db.events.on(Thing, ['delete', 'fieldUpdate:name'], (event) => {
      handled.push(short(event));
    });
    const things = db.records(Thing);
    await things.insert(thing(1));
    await things.update(1, { name: 'b' });
    await things.update(1, { tags: ['c'] });
    await db.transaction(async (tx) => {
      await tx.records(Thing).update(1, { name: 'd' });
      await tx.checkpoint();
    });
    await things.remove(1);
    await things.insert(thing(2), { ttl: 1 });
    clock.advance(2);
    await db.expireNow();
    await things.insert(thing(3));
    await things.deleteAll();
    assert.deepEqual(await take(feed, 12), [
      ...['new 1', 'update 1', 'fieldUpdate name 1', 'update 1'],
      ...['update 1', 'fieldUpdate name 1', 'checkpoint 1 1', 'delete 1'],
      ...['new 2', 'expire 2', 'new 3', 'deleteAll 1'],
    ]);
    await subscription.caughtUp();
    assert.deepEqual(handled, ['fieldUpdate name 1', 'fieldUpdate name 1', 'delete 1', 'delete 2']);
  });

  test('without kinds a class tells what it declares, and one that declares nothing all of whole records', async () => {
    await using db = await connect('embedded:', { classes, events: 'implicit' });
    const feed = db.events.feed([Thing, Named]) as AsyncIterator<AnyEvent>;
    await db.records(Thing).insert(thing(1));
    await db.records(Thing).update(1, { name: 'b' });
    await db.records(Named).insert({ id: 2, name: 'a' });
    await db.records(Named).update(2, { name: 'b' });
    await db.records(Thing).remove(1);
    assert.deepEqual(await take(feed, 4), ['new 1', 'update 1', 'new 2', 'delete 1']);
    const asked = db.events.feed(Named, { kinds: ['fieldUpdate:name'], from: 'beginning' });
    assert.deepEqual(await take(asked, 1), ['fieldUpdate name 2']);
  });

  test('what no class can have is refused all the same, and waits are for declared names', async () => {
    await using db = await connect('embedded:', { classes, events: 'implicit' });
    const kinds = ['fieldUpdate:tags'] as never[];
    assert.throws(() => db.events.feed(Thing, { kinds }), EventNotDeclaredError);
    await assert.rejects(db.events.wait('Thing.new' as never), EventNotDeclaredError);
    await assert.rejects(db.events.wait(2), EventNotDeclaredError);
    const waiting = db.events.wait('namedNew');
    await db.records(Named).insert({ id: 1, name: 'a' });
    assert.equal((await waiting).status, 'event');
  });

  test('any other value is refused by name', async () => {
    for (const events of ['explicit', 'declared', true, null, ['implicit']]) {
      await assert.rejects(
        connect('embedded:', { events: events as never }),
        (error) => error instanceof InvalidArgumentError && error.context?.argument === 'events',
      );
    }
  });

  test('it stays with the database, for classes that come later and for who does not ask for it', async () => {
    await using directory = await Directory.make();
    const first = await connect(directory.url, { classes: [Thing], events: 'implicit' });
    await first.records(Thing).insert(thing(1));
    await first.close();
    const second = await connect(directory.url, { classes });
    assert.equal(second.events.implicit, true);
    // The option was not given: the compiler does not know.
    const feed = second.events.feed(Named, { kinds: ['delete'] as never[], from: 'beginning' });
    await second.records(Named).insert({ id: 2, name: 'a' });
    await second.records(Named).remove(2);
    assert.deepEqual(await take(feed, 1), ['delete 2']);
    await second.close();
    const reader = await connect(directory.url, { readOnly: true, events: 'implicit' });
    assert.equal(reader.events.implicit, true);
    const [stored]: readonly ClassDefinition[] = reader.classes;
    assert.deepEqual(await take(reader.events.feed(stored as never, { from: 'beginning' }), 1), ['new 1']);
    await reader.close();
  });

  test('a reader cannot set it', async () => {
    await using directory = await Directory.make();
    await (await connect(directory.url, { classes })).close();
    await assert.rejects(connect(directory.url, { readOnly: true, events: 'implicit' }), SchemaMismatchError);
    await using db = await connect(directory.url, { classes });
    assert.equal(db.events.implicit, false);
    assert.throws(() => db.events.feed(Thing, { kinds: ['new'] as never[] }), EventNotDeclaredError);
  });

  test('another connection of the thread goes on, and has its writes told from then on', async () => {
    await using directory = await Directory.make();
    await using before = await connect(directory.url, { classes });
    await before.records(Thing).insert(thing(1));
    await using db = await connect(directory.url, { classes, events: 'implicit' });
    const feed = db.events.feed(Thing);
    await before.records(Thing).insert(thing(2));
    await before.transaction((tx) => tx.records(Thing).update(1, { name: 'b' }));
    assert.deepEqual(await take(feed, 2), ['new 2', 'update 1']);
  });

  test('who had it open elsewhere learns of it at the next write, and has it told when it has opened it again', async () => {
    await using directory = await Directory.make();
    await (await connect(directory.url, { classes })).close();
    const other: ChildProcess = fork(
      fileURLToPath(new URL('events-implicit-writer.mjs', import.meta.url)),
      [directory.path],
      { execArgv: [] },
    );
    try {
      const said = on(other, 'message');
      const answer = async (): Promise<unknown> => (await said.next()).value[0];
      assert.equal(await answer(), 'open');
      await using db = await connect(directory.url, { classes, events: 'implicit' });
      const feed = db.events.feed(Thing);
      other.send(1);
      assert.equal(await answer(), 'EVENKEEL_SCHEMA_MISMATCH');
      assert.equal(await db.records(Thing).get(1), undefined);
      other.send('again');
      assert.equal(await answer(), 'open');
      other.send(2);
      assert.equal(await answer(), 'written');
      assert.deepEqual(await take(feed, 1), ['new 2']);
      // Asking for what is set already is no change: nobody has to open it again.
      other.send('implicit');
      assert.equal(await answer(), 'open');
      await db.records(Thing).insert(thing(3));
      assert.deepEqual(await take(feed, 1), ['new 3']);
    } finally {
      other.kill();
    }
  });

  test('a durable subscription and one of each operation see what is implicit', async () => {
    await using db = await connect('embedded:', { classes, events: 'implicit' });
    const told: string[] = [];
    const durable = await db.events.durable('all', Thing, (event) => void told.push(short(event)), {
      granularity: 'each',
    });
    await db.transaction(async (tx) => {
      await tx.records(Thing).insert(thing(1));
      await tx.records(Thing).update(1, { name: 'b' });
      await tx.records(Thing).remove(1);
    });
    await durable.caughtUp();
    assert.deepEqual(told, ['new 1', 'update 1', 'delete 1']);
  });
});
