import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, defineClass, EventBase, field, InvalidArgumentError, onNew } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';

const Item = defineClass('Item', {
  key: 'id',
  fields: { id: field.uint32(), name: field.optional(field.string()) },
  events: [onNew()],
});

/** What the compiler would not let pass. */
type Loose = Record<
  | 'append'
  | 'backup'
  | 'close'
  | 'decrement'
  | 'deleteAll'
  | 'durable'
  | 'exists'
  | 'feed'
  | 'find'
  | 'get'
  | 'getAndTouch'
  | 'getMany'
  | 'getRecord'
  | 'idle'
  | 'increment'
  | 'insert'
  | 'on'
  | 'prepare'
  | 'prepend'
  | 'remove'
  | 'replace'
  | 'touch'
  | 'transaction'
  | 'transactions'
  | 'update'
  | 'upsert'
  | 'wait'
  | 'waitEvent'
  | 'watch',
  (...args: unknown[]) => unknown
>;
type Calls = readonly (readonly [argument: string, meant: string, call: () => unknown])[];

/** Whether it throws or rejects is up to the operation. */
async function assertRefused(calls: Calls): Promise<void> {
  for (const [argument, meant, call] of calls) {
    await assert.rejects(
      async () => {
        await call();
      },
      (error) => {
        assert.ok(error instanceof InvalidArgumentError, `${call}: ${error}`);
        assert.equal(error.context.argument, argument, `${call}`);
        assert.match(error.message, new RegExp(`did you mean ${meant}\\?`), `${call}`);
        return true;
      },
    );
  }
}

const operations = (db: Loose): Calls => [
  ['options', 'timeout', () => db.get('k', { timout: 5 })],
  ['options', 'signal', () => db.getRecord('k', { signl: 5 })],
  ['options', 'timeout', () => db.getMany(['k'], { timeOut: 5 })],
  ['options', 'timeout', () => db.exists('k', { timeouts: 5 })],
  ['options', 'ttl', () => db.insert('k', 1, { tll: 5 })],
  ['options', 'ttl', () => db.upsert('k', 1, { tll: undefined })],
  ['options', 'expiresAt', () => db.replace('k', 1, { expiresIn: 5 })],
  ['options', 'cas', () => db.remove('k', { cass: 5n })],
  ['options', 'timeout', () => db.touch('k', { ttl: 5, timout: 5 })],
  ['options', 'timeout', () => db.getAndTouch('k', { ttl: 5, timout: 5 })],
  ['options', 'delta', () => db.increment('k', { delt: 5n })],
  ['options', 'initial', () => db.decrement('k', { inital: 5n })],
  ['options', 'cas', () => db.append('k', 'x', { cs: 5n })],
  ['options', 'cas', () => db.prepend('k', 'x', { cs: 5n })],
  ['options', 'timeout', () => db.idle({ timout: 5 })],
  ['options', 'timeout', () => db.close({ timout: 5 })],
];

describe('an option of an unknown name is refused, with the nearest known one,', () => {
  test('by memcached and by what it is scheduled with', async () => {
    await using server = await startServer();
    const options = [
      ['options', 'timeout', { tiemout: 5 }],
      ['options', 'maxInFlight', { maxInflight: 5 }],
      ['backoff', 'min', { backoff: { mn: 5 } }],
    ] as const;
    await assertRefused(
      options.map(([argument, meant, given]) => [
        argument,
        meant,
        () => connect(server.url, given as object),
      ]),
    );
    await using db = await connect(server.url);
    await assertRefused(operations(db as unknown as Loose));
    const context = db.enter();
    await assertRefused(
      operations(context as unknown as Loose).filter(([, , call]) => !/close|idle/.test(`${call}`)),
    );
    assert.equal(context.size, 0);
    context.leave();
    assert.equal(await db.get('k'), undefined);
  });

  test('by an embedded database, its records and transactions', async () => {
    await assertRefused([
      ['options', 'durability', () => connect('embedded:', { durabilty: 'none' } as object)],
      ['options', 'classes', () => connect('embedded:', { class: [Item] } as object)],
      ['retention', 'maxAge', () => connect('embedded:', { retention: { maxage: 5 } } as object)],
    ]);
    await using db = await connect('embedded:', { classes: [Item] });
    await assertRefused(operations(db as unknown as Loose));
    const loose = db as unknown as Loose;
    const recordCalls = (records: Loose): Calls => [
      ['options', 'timeout', () => records.get(1, { timout: 5 })],
      ['options', 'signal', () => records.getRecord(1, { signl: 5 })],
      ['options', 'timeout', () => records.exists(1, { timout: 5 })],
      ['options', 'ttl', () => records.insert({ id: 1 }, { tll: 5 })],
      ['options', 'cas', () => records.upsert({ id: 1 }, { cass: 5n })],
      ['options', 'expiresAt', () => records.update(1, {}, { expireAt: 5n })],
      ['options', 'cas', () => records.remove(1, { cass: 5n })],
      ['options', 'timeout', () => records.deleteAll({ timout: 5 })],
      ['options', 'limit', () => records.find({ limt: 5 })],
    ];
    await assertRefused(recordCalls(db.records(Item) as unknown as Loose));
    await db.transaction(async (tx) => {
      await assertRefused(recordCalls(tx.records(Item) as unknown as Loose));
      await assertRefused(
        operations(tx as unknown as Loose).filter(([, , call]) => !/close|idle/.test(`${call}`)),
      );
    });
    await assertRefused([
      ['options', 'retries', () => loose.transaction(() => {}, { retry: 0 })],
      ['options', 'compact', () => loose.backup('/nowhere', { compat: true })],
      ['options', 'origin', () => loose.prepare(() => {}, { orign: 'x' })],
    ]);
    assert.equal(await db.records(Item).find().count(), 0);
  });

  test('by subscriptions and waits', async () => {
    await using db = await connect('embedded:', { classes: [Item] });
    const events = db.events as unknown as Loose;
    const nothing = (): void => {};
    await assertRefused([
      ['options', 'from', () => events.feed(Item, { form: 'now' })],
      ['options', 'kinds', () => events.transactions(Item, { kind: ['new'] })],
      ['options', 'queue', () => events.on(Item, ['new'], nothing, { queu: 5 })],
      ['onError', 'retries', () => events.on(Item, ['new'], nothing, { onError: { retry: 5 } })],
      ['options', 'migrate', () => events.durable('a', Item, nothing, { migrat: true })],
      ['onError', 'outcome', () => events.durable('a', Item, nothing, { onError: { outcom: 'park' } })],
      [
        'from',
        'snapshot',
        () => events.durable('a', Item, nothing, { from: { snapshot: true, snapshots: 1 } }),
      ],
      ['where', 'name', () => events.feed(Item, { where: { nam: 'x' } })],
      ['options', 'timeout', () => events.wait('Item.new', { timout: 5 })],
      ['options', 'timeout', () => events.waitEvent('Item.new', { timout: 5 })],
    ]);
  });

  test('by event bases', async () => {
    const base = EventBase.host as unknown as Loose;
    await assertRefused([
      ['options', 'name', () => EventBase.create({ nme: 'x' } as object)],
      ['options', 'readable', () => base.watch(0, { readble: true }, () => {})],
    ]);
  });
});

test('an option that only another engine has is told by the name of the engine', async () => {
  const refused = (argument: string): object => ({ code: 'EVENKEEL_UNSUPPORTED', context: { argument } });
  await assert.rejects(connect('embedded:', { connectTimeout: 5 } as object), refused('connectTimeout'));
  const url: string = 'memcached://127.0.0.1:1';
  await assert.rejects(connect(url, { classes: [Item] } as object), refused('classes'));
  await using db = await connect('embedded:', { connectTimeout: undefined } as object);
  assert.equal(db.capabilities.engine, 'embedded');
});
