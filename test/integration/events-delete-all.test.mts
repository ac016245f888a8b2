import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { open as lmdb } from 'lmdb';
import {
  BackpressureError,
  connect,
  defineClass,
  field,
  onDelete,
  onDeleteAll,
  onNew,
  onUpdate,
  StorageError,
} from '../../lib/index.ts';
import { inProcess } from '../faults/elsewhere.mts';

const Order = defineClass('Order', {
  key: 'id',
  fields: { id: field.uint32(), name: field.string() },
  events: [onNew(), onUpdate(), onDelete(), onDeleteAll()],
});
const classes = [Order] as const;
const LISTENER = fileURLToPath(new URL('delete-all-listener.mjs', import.meta.url));

async function fill(db: Awaited<ReturnType<typeof open>>, count: number): Promise<void> {
  await db.transaction(async (tx) => {
    for (let id = 0; id < count; id += 1) await tx.records(Order).insert({ id, name: `order ${id}` });
  });
}

const open = (url: `embedded:${string}` = 'embedded:') => connect(url, { classes });

describe('the victims of a deleteAll', () => {
  test('scenario 14: with expandDeleteAll the marker comes first, then each record once, while others commit', async () => {
    await using db = await open();
    const count = 20_000;
    await fill(db, count);
    const seen = new Set<number>();
    const kinds: string[] = [];
    const subscription = await db.events.on(
      Order,
      ['delete', 'deleteAll'],
      async (event) => {
        if (kinds.at(-1) !== event.kind) kinds.push(event.kind);
        if (event.kind === 'deleteAll') {
          assert.equal(event.count, count);
          await db.records(Order).insert({ id: count, name: 'meanwhile' });
        } else {
          assert.ok(!seen.has(event.key), `${event.key} is told twice`);
          assert.equal(event.before.name, `order ${event.key}`);
          assert.equal(event.cause, 'explicit');
          seen.add(event.key);
        }
      },
      { expandDeleteAll: true },
    );
    assert.equal(await db.records(Order).deleteAll(), count);
    await subscription.caughtUp();
    assert.deepEqual(kinds, ['deleteAll', 'delete']);
    assert.equal(seen.size, count);
    assert.equal(await db.records(Order).find().count(), 1);
    await subscription.close();
  });

  test('cannot be asked for while there is no room to write: then nobody is called', async () => {
    await using db = await connect('embedded:', { classes, maxQueued: 1 });
    const written = db.upsert('key', 'value');
    const called: string[] = [];
    await assert.rejects(
      db.events.on(Order, ['new', 'delete'], (event) => void called.push(event.kind), {
        expandDeleteAll: true,
      }),
      BackpressureError,
    );
    await written;
    const feed = db.events.feed(Order);
    await db.records(Order).insert({ id: 1, name: 'order' });
    await feed.next();
    await setImmediate();
    assert.deepEqual(called, []);
  });

  test('are asked for by nobody once those are gone who did, also when they could not say so', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'evenkeel-'));
    const url = `embedded://${directory}` as const;
    const killed = await inProcess(async ({ evenkeel }, url) => {
      const { connect, defineClass, field, onDelete, onDeleteAll, onNew, onUpdate } = evenkeel;
      const Order = defineClass('Order', {
        key: 'id',
        fields: { id: field.uint32(), name: field.string() },
        events: [onNew(), onUpdate(), onDelete(), onDeleteAll()],
      });
      const db = await connect(url as 'embedded:', { classes: [Order] });
      for (let i = 0; i < 5; i += 1) await db.events.on(Order, 'delete', () => {}, { expandDeleteAll: true });
      process.kill(process.pid, 'SIGKILL');
    }, url);
    assert.equal(killed.signal, 'SIGKILL', killed.stderr);
    const db = await open(url);
    const subscription = await db.events.on(Order, 'delete', () => {}, { expandDeleteAll: true });
    await subscription.close();
    await db.upsert('key', 'value'); // and what was written down of this one is taken back
    await db.close();
    const environment = lmdb(directory, { maxDbs: 1024 } as never);
    const notes = environment.openDB('subscriptions', { keyEncoding: 'binary', encoding: 'binary' });
    assert.deepEqual([...notes.getKeys()].map(String), []);
    await environment.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('cannot be asked for where nothing can be written', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'evenkeel-'));
    const url = `embedded://${directory}` as const;
    await (await open(url)).close();
    const db = await connect(url, { classes, readOnly: true });
    assert.throws(() => db.events.feed(Order, { expandDeleteAll: true }), StorageError);
    assert.throws(() => db.events.transactions(Order, { expandDeleteAll: true }), StorageError);
    await assert.rejects(
      db.events.on(Order, 'delete', () => {}, { expandDeleteAll: true }),
      StorageError,
    );
    await db.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('come after it and before what is written later, where each operation is told, too', async () => {
    const Item = defineClass('Item', {
      key: 'id',
      fields: { id: field.uint32() },
      events: [onNew(), onDelete(), onDeleteAll()],
    });
    await using db = await connect('embedded:', { classes: [Order, Item] });
    await fill(db as never, 2);
    await db.records(Item).insert({ id: 1 });
    const feed = db.events.feed([Order, Item], { granularity: 'each', expandDeleteAll: true });
    await db.transaction(async (tx) => {
      await tx.records(Order).insert({ id: 5, name: 'five' });
      await tx.records(Item).deleteAll();
      await tx.records(Item).insert({ id: 1 });
      await tx.records(Order).deleteAll();
      await tx.records(Order).insert({ id: 1, name: 'one' });
    });
    const told: string[] = [];
    for await (const event of feed) {
      told.push(`${event.class} ${event.kind} ${'key' in event ? event.key : event.count}`);
      if (event.transaction.last) break;
    }
    assert.deepEqual(told, [
      'Order new 5',
      'Item deleteAll 1',
      'Item delete 1',
      'Item new 1',
      'Order deleteAll 3',
      'Order delete 0',
      'Order delete 1',
      'Order new 1',
    ]);
  });

  test('others who do not ask for them are told of the one event alone, at the same time', async () => {
    await using db = await open();
    await fill(db, 100);
    const expanded = db.events.feed(Order, { kinds: ['delete', 'deleteAll'], expandDeleteAll: true });
    const plain = db.events.feed(Order, { kinds: ['delete', 'deleteAll', 'new'] });
    await db.transaction(async (tx) => {
      await tx.records(Order).deleteAll();
      await tx.records(Order).insert({ id: 7, name: 'after' });
    });
    const told = [await plain.next(), await plain.next()].map(({ value }) => [
      value?.kind,
      value?.transaction.count,
    ]);
    assert.deepEqual(told, [
      ['deleteAll', 2],
      ['new', 2],
    ]);
    for (let i = 0; i < 101; i += 1) {
      const { value } = await expanded.next();
      assert.equal(value?.kind, i === 0 ? 'deleteAll' : 'delete');
      assert.deepEqual([value?.transaction.index, value?.transaction.last], [i, i === 100]);
    }
    plain.close();
    expanded.close();
  });

  test('a durable subscription has them told although it was away', async () => {
    await using db = await open();
    const spec = { kinds: ['delete', 'deleteAll'], expandDeleteAll: true } as const;
    const first = await db.events.durable('audit', Order, () => {}, spec);
    await first.close();
    await first.closed;
    await fill(db, 10);
    await db.records(Order).deleteAll();
    const told: string[] = [];
    const second = await db.events.durable('audit', Order, (event) => void told.push(event.kind), spec);
    await second.caughtUp();
    assert.deepEqual(told, ['deleteAll', ...Array(10).fill('delete')]);
    await second.close();
    await second.closed;
    assert.equal(await db.events.forget('audit'), true);
    assert.equal(await db.events.forget('audit'), false);
  });

  test('another process that asks for them is heard by this one', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'evenkeel-expand-'));
    const db = await open(`embedded://${directory}`);
    await fill(db, 5);
    const child = fork(LISTENER, [directory]);
    const ended = once(child, 'exit');
    const messages: string[] = [];
    child.on('message', (message) => messages.push(String(message)));
    await once(child, 'message');
    await db.records(Order).deleteAll();
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(messages, ['live', 'deleteAll', ...Array(5).fill('delete')]);
    await db.close();
    await rm(directory, { recursive: true, force: true });
  });
});

describe('a class that changes', () => {
  test('is told at the time it does, not at that of the last write', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'evenkeel-'));
    const url = `embedded://${directory}` as const;
    const Wider = defineClass('Order', {
      key: 'id',
      fields: { ...Order.fields, note: field.optional(field.string()) },
      events: [onNew(), onUpdate(), onDelete(), onDeleteAll()],
    });
    await (await open(url)).close();
    const before = Date.now();
    const db = await connect(url, { classes: [Wider] });
    const { value } = await db.events.feed(Wider, { kinds: ['schema'], from: 'beginning' }).next();
    assert.ok(Number(value?.transaction.time) >= before);
    await db.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('scenario 49: old events keep their old form, then the change is told, then the new form', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'evenkeel-schema-'));
    const url = `embedded://${directory}` as const;
    const before = await open(url);
    const from = before.events.position;
    await before.records(Order).insert({ id: 1, name: 'old' });
    await before.close();
    const Wider = defineClass('Order', {
      key: 'id',
      fields: { id: field.uint32(), note: field.optional(field.string()), name: field.string() },
      events: [onNew(), onUpdate(), onDelete(), onDeleteAll()],
    });
    const after = await connect(url, { classes: [Wider] });
    await after.records(Wider).insert({ id: 2, name: 'new', note: 'n' });
    await after.records(Wider).update(1, { note: 'm' });
    const told: unknown[] = [];
    for await (const event of after.events.feed(Wider, { from, kinds: ['new', 'update', 'schema'] })) {
      told.push(event.kind === 'schema' ? [event.kind, event.version] : [event.kind, event.after]);
      if (event.kind === 'update') {
        assert.deepEqual([event.before, event.changed], [{ id: 1, name: 'old' }, ['note']]);
        break;
      }
    }
    assert.deepEqual(told, [
      ['new', { id: 1, name: 'old' }],
      ['schema', 2],
      ['new', { id: 2, note: 'n', name: 'new' }],
      ['update', { id: 1, note: 'm', name: 'old' }],
    ]);
    const unasked = after.events.feed(Wider, { from });
    assert.deepEqual(
      [(await unasked.next()).value?.kind, (await unasked.next()).value?.kind],
      ['new', 'new'],
    );
    unasked.close();
    await after.close();
    await rm(directory, { recursive: true, force: true });
  });
});
