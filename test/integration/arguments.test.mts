import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import type { Database } from '../../lib/database.ts';
import { InvalidArgumentError } from '../../lib/errors.ts';
import { EventBase } from '../../lib/event-base/event-base.ts';
import { defineClass, field, onNew } from '../../lib/index.ts';
import { onBothBases, startPair } from './harness.mts';

const Item = defineClass('Item', { key: 'id', fields: { id: field.uint32() }, events: [onNew()] });

/** Values that no argument here may have, some of which cannot even be turned into text. */
const strange: unknown[] = [
  null,
  Object.create(null),
  Symbol('s'),
  new Proxy(
    {},
    {
      get() {
        throw new Error('trap');
      },
    },
  ),
  Number.NaN,
  -1,
  [],
  () => {},
];

const isRefusal =
  (argument: string) =>
  (error: unknown): boolean =>
    error instanceof InvalidArgumentError && error.context.argument === argument;

onBothBases('an argument that makes no sense is refused by name, at the call', (bases) => {
  type Call = (db: Database, value: never) => unknown;
  const calls: readonly (readonly [argument: string, call: Call])[] = [
    ['timeout', (db, timeout) => db.get('k', { timeout })],
    ['signal', (db, signal) => db.get('k', { signal })],
    ['ttl', (db, ttl) => db.upsert('k', 1, { ttl })],
    ['expiresAt', (db, expiresAt) => db.upsert('k', 1, { expiresAt })],
    ['cas', (db, cas) => db.replace('k', 1, { cas })],
    ['delta', (db, delta) => db.increment('k', { delta })],
    ['initial', (db, initial) => db.decrement('k', { initial })],
    ['timeout', (db, timeout) => db.close({ timeout })],
    ['key', (db, key) => db.get(key)],
    ['delay', (db, delay) => db.eventBase.timer(delay, () => {})],
    ['fd', (db, fd) => db.eventBase.watch(fd, {}, () => {})],
    ['name', (db, name) => db.eventBase.signal(name, () => {})],
    ['callback', (db, callback) => db.eventBase.timer(1, callback)],
    ['base', (db, base) => db.via(base)],
  ];
  test('of operations and event bases', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    for (const [argument, call] of calls) {
      for (const value of strange) {
        if (argument === 'callback' && typeof value === 'function') continue;
        assert.throws(() => call(db, value as never), isRefusal(argument), argument);
      }
    }
    assert.equal(await db.get('k'), undefined);
  });

  test('as the options themselves', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    const withOptions: readonly ((options: never) => unknown)[] = [
      (options) => db.get('k', options),
      (options) => db.getMany(['k'], options),
      (options) => db.exists('k', options),
      (options) => db.remove('k', options),
      (options) => db.upsert('k', 1, options),
      (options) => db.append('k', 'x', options),
      (options) => db.increment('k', options),
      (options) => db.close(options),
      (options) => EventBase.create(options),
    ];
    for (const call of withOptions) {
      for (const options of [null, 0, false, '', 5, 'x', Number.NaN, Symbol('s')]) {
        assert.throws(() => call(options as never), isRefusal('options'));
      }
    }
    assert.equal(await db.get('k'), undefined);
    await assert.rejects(db.schedule(undefined as never), isRefusal('fn'));
  });

  test('as a value that only looks like bytes', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    const noBytes = [new Proxy(new Uint8Array(4), {}), Object.create(Uint8Array.prototype)];
    for (const value of noBytes) {
      assert.throws(() => db.upsert('k', value), isRefusal('value'));
      assert.throws(() => db.append('k', value), isRefusal('value'));
      assert.throws(() => db.enter().insert('k', value), isRefusal('value'));
    }
    assert.equal(await db.get('k'), undefined);
  });

  test('as a signal or a base that merely inherits from one', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    const signal = Object.create(AbortSignal.prototype);
    assert.throws(() => db.get('k', { signal }), isRefusal('signal'));
    assert.throws(() => db.via(Object.create(EventBase.prototype)), isRefusal('base'));
    assert.throws(() => db.via(new Proxy(db.eventBase, {})), isRefusal('base'));
    await using other = await connect('embedded:', { classes: [Item], eventBase: db.eventBase });
    await assert.rejects(other.records(Item).get(1, { signal }), isRefusal('signal'));
    await assert.rejects(other.events.wait('Item.new', { signal }), isRefusal('signal'));
  });

  test('of connect()', async () => {
    const names = [
      'timeout',
      'connectTimeout',
      'maxInFlight',
      'maxQueued',
      'offlineQueue',
      'lazy',
      'implicitFlush',
    ];
    for (const name of names) {
      for (const value of strange) {
        await assert.rejects(connect('memcached://127.0.0.1:1', { [name]: value }), isRefusal(name), name);
      }
    }
    for (const backoff of [null, 5, 'abc', true]) {
      await assert.rejects(connect('memcached://127.0.0.1:1', { backoff } as never), isRefusal('backoff'));
    }
    await assert.rejects(connect('memcached://127.0.0.1:1', null as never), isRefusal('options'));
  });
});

onBothBases('a base that was closed', (bases) => {
  test('and used for a view is let go by the database', async () => {
    await using pair = await startPair(bases);
    const gone = await (async () => {
      const base = EventBase.create();
      const view = pair.db.via(base);
      await view.get('k');
      await base.close();
      return new WeakRef(view);
    })();
    await using other = EventBase.create();
    await pair.db.via(other).get('k');
    for (let i = 0; i < 100 && gone.deref() !== undefined; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      globalThis.gc?.();
    }
    assert.equal(gone.deref(), undefined);
  });
});
