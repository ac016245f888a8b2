import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  ClosedError,
  CrossThreadError,
  connect,
  defineClass,
  EventBase,
  field,
  InvalidArgumentError,
  onExpire,
  onNew,
} from '../../lib/index.ts';
import { nothingIsLeft } from './harness.mts';

const Reading = defineClass('Reading', {
  key: 'id',
  fields: { id: field.uint32(), value: field.float64() },
  events: [onNew(), onExpire()],
});
const classes = [Reading] as const;

describe('an embedded database and its event bases', () => {
  afterEach(() => nothingIsLeft(['threads']));

  test('operations, transactions and events work from a thread base as from the host', async () => {
    await using base = EventBase.create();
    await using db = await connect('embedded:', { classes, eventBase: base });
    const feed = db.via(EventBase.host).events.feed(Reading);
    await db.upsert('k', 'v');
    assert.equal(await db.via(EventBase.host).get('k'), 'v');
    await db.records(Reading).insert({ id: 1, value: 1 });
    await db.via(EventBase.host).transaction((tx) => tx.records(Reading).insert({ id: 2, value: 2 }));
    assert.deepEqual([(await feed.next()).value?.key, (await feed.next()).value?.key], [1, 2]);
    assert.equal(db.via(EventBase.host).eventBase, EventBase.host);
    feed.close();
  });

  test('closing a base ends what runs on it, and leaves the database to the others', async () => {
    await using db = await connect('embedded:', { classes });
    const base = EventBase.create();
    const view = db.via(base);
    const feed = view.events.feed(Reading);
    const subscription = await view.events.on(Reading, ['new'], () => {});
    const ended = assert.rejects(subscription.closed, ClosedError);
    const underWay = [feed.next(), view.events.wait('Reading.new'), view.upsert('k', 1)];
    const outcomes = Promise.all(underWay.map((each) => assert.rejects(each, ClosedError)));
    await base.close();
    await outcomes;
    await ended;
    assert.throws(() => view.get('k'), ClosedError);
    assert.throws(() => db.via(base), ClosedError);
    assert.throws(() => view.events.feed(Reading), ClosedError);
    await assert.rejects(view.records(Reading).insert({ id: 1, value: 1 }), ClosedError);
    await db.records(Reading).insert({ id: 1, value: 1 });
    assert.equal(await db.get('k'), undefined);
  });

  test('a base of another thread is refused, for operations and for management', async () => {
    await using db = await connect('embedded:');
    const source = `const { workerData, parentPort } = require('node:worker_threads');
      const { EventBase } = require(workerData);
      parentPort.postMessage({ thread: EventBase.host.thread, name: 'host' });`;
    const worker = new Worker(source, {
      eval: true,
      workerData: fileURLToPath(new URL('../../dist/index.js', import.meta.url)),
    });
    const [foreign] = await once(worker, 'message');
    await worker.terminate();
    assert.throws(() => db.via(foreign), CrossThreadError);
    await assert.rejects(connect('embedded:', { eventBase: foreign }), CrossThreadError);
    await assert.rejects(connect('embedded:', { managementBase: foreign }), CrossThreadError);
  });

  for (const managementBase of ['shared', 'internal', 'own'] as const) {
    test(`the sweeper and the watch for other processes run on a ${managementBase} management base`, async () => {
      const directory = await mkdtemp(path.join(tmpdir(), 'evenkeel-bases-'));
      await using own = EventBase.create();
      {
        await using db = await connect(`embedded://${directory}`, {
          classes,
          managementBase: managementBase === 'own' ? own : managementBase,
        });
        const feed = db.events.feed(Reading, { kinds: ['expire'] });
        await db.records(Reading).insert({ id: 1, value: 1 }, { ttl: 0.03 });
        assert.equal((await feed.next()).value?.key, 1);
        feed.close();
      }
      await rm(directory, { recursive: true, force: true });
    });
  }

  test('a management base that is closed leaves its timers to the thread', async () => {
    const own = EventBase.create();
    await using db = await connect('embedded:', { classes, managementBase: own });
    const feed = db.events.feed(Reading, { kinds: ['expire'] });
    await db.records(Reading).insert({ id: 1, value: 1 }, { ttl: 0.1 });
    await own.close();
    assert.equal((await feed.next()).value?.key, 1); // its timer was on the base
    await db.records(Reading).insert({ id: 2, value: 2 }, { ttl: 0.03 });
    assert.equal((await feed.next()).value?.key, 2); // and this one never was
    feed.close();
  });

  test('anything else is no management base', async () => {
    const refused = (error: unknown) =>
      error instanceof InvalidArgumentError && error.context.argument === 'managementBase';
    await assert.rejects(connect('embedded:', { managementBase: 'mine' as 'shared' }), refused);
    await assert.rejects(connect('embedded:', { managementBase: 1 as unknown as 'shared' }), refused);
    const closed = EventBase.create();
    await closed.close();
    await assert.rejects(connect('embedded:', { managementBase: closed }), refused);
  });
});
