import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defineClass, EventNotDeclaredError, field, InvalidArgumentError, onNew } from '../../lib/index.ts';
import { Marker, Order, open, order, short, told } from './events-shop.mts';

const both = [Order, Marker] as const;
/** What the compiler would not let pass. */
type Loose = Record<
  'feed' | 'on' | 'durable' | 'transactions' | 'wait' | 'listen',
  (...args: unknown[]) => unknown
>;

function refused(argument: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof InvalidArgumentError, `${error} is no InvalidArgumentError for ${argument}`);
    assert.equal(error.context.argument, argument);
    return true;
  };
}

describe('what cannot be subscribed to', () => {
  const Other = defineClass('Other', { key: 'id', fields: { id: field.uint32() }, events: [onNew()] });
  const nothing = (): void => {};

  const options: readonly [argument: string, given: object][] = [
    ['options', { kind: ['new'] }],
    ['kinds', { kinds: [] }],
    ['kinds', { kinds: 'new' }],
    ['kinds', { kinds: 5 }],
    ['fields', { fields: 'note' }],
    ['fields', { fields: '' }],
    ['fields', { fields: ['nothing'] }],
    ['where', { where: 5 }],
    ['where', { where: null }],
    ['where', { where: undefined }],
    ['where', { where: 0 }],
    ['where', { where: { nothing: 1 } }],
    ['ignoreOrigin', { ignoreOrigin: 5 }],
    ['ignoreOrigin', { ignoreOrigin: null }],
    ['granularity', { granularity: 'all' }],
    ['expandDeleteAll', { expandDeleteAll: 1 }],
    ['from', { from: 'yesterday' }],
    ['from', { from: 5 }],
    ['from', { from: null }],
  ];

  test('is refused at the call, by the name of the argument', async () => {
    await using db = await open();
    const events = db.events as unknown as Loose;
    const live: [argument: string, given: object][] = [
      ...options,
      ['overflow', { overflow: 'block' }],
      ['overflow', { overflow: null }],
      ['queue', { queue: 0 }],
      ['queue', { queue: 1.5 }],
      ['queue', { queue: '5' }],
    ];
    for (const [argument, given] of live) assert.throws(() => events.feed(Order, given), refused(argument));
    for (const [argument, given] of options)
      assert.throws(() => events.transactions(Order, given), refused(argument));
    for (const classes of [Other, undefined, null, 'Order', {}, [Order, Other]])
      assert.throws(() => events.feed(classes), refused('class'));
    assert.throws(() => events.feed([]), refused('classes'));
    for (const given of [null, 5, 'new', []])
      assert.throws(() => events.feed(Order, given), refused('options'));
    await db.records(Order).insert(order(1));
    await db.close();
  });

  test('by a handler, neither', async () => {
    await using db = await open();
    const events = db.events as unknown as Loose;
    const handlers: [argument: string, given: object][] = [
      ...options.filter(([argument]) => argument !== 'kinds' && argument !== 'options'),
      ['options', { kinds: ['new'] }],
      ['onError', { onError: 5 }],
      ['onError', { onError: null }],
      ['onError', { onError: { retry: 3 } }],
      ['onError.retries', { onError: { retries: -1 } }],
      ['onError.retries', { onError: { retries: '1' } }],
      ['onError.backoff', { onError: { backoff: -1 } }],
      ['onError.backoff', { onError: { backoff: Number.NaN } }],
      ['onError.timeout', { onError: { timeout: 0 } }],
      ['onError.outcome', { onError: { outcome: 'forget' } }],
      ['onError.outcome', { onError: { outcome: 'park' } }],
    ];
    for (const [argument, given] of handlers)
      await assert.rejects(async () => events.on(Order, ['new'], nothing, given), refused(argument));
    await assert.rejects(async () => events.on(Order, [], nothing), refused('kinds'));
    for (const handler of [undefined, null, {}, 'handler'])
      await assert.rejects(async () => events.on(Order, ['new'], handler), refused('handler'));
    const durable: [argument: string, given: object][] = [
      ...options,
      ...handlers
        .filter(([argument, given]) => argument.startsWith('onError') && !('park' in given))
        .slice(0, -1),
      ['options', { overflow: 'spill' }],
      ['from', { from: {} }],
      ['from', { from: { snapshot: false } }],
      ['ack', { ack: 'never' }],
      ['ackWithin', { ackWithin: 1 }],
      ['onLost', { onLost: 'forget' }],
      ['migrate', { migrate: 'yes' }],
      ['wait', { wait: -1 }],
      ['wait', { wait: '1' }],
    ];
    for (const [argument, given] of durable)
      await assert.rejects(async () => events.durable('name', Order, nothing, given), refused(argument));
    for (const name of [undefined, '', 'a b', 'x'.repeat(129), 5])
      await assert.rejects(async () => events.durable(name, Order, nothing), refused('name'));
    await assert.rejects(async () => db.events.forget('a b'), refused('name'));
    assert.equal(await db.events.forget('name'), false);
  });

  test('by a wait, neither', async () => {
    await using db = await open();
    const events = db.events as unknown as Loose;
    for (const [argument, given] of [
      ['options', null],
      ['options', { timeoutMs: 5 }],
      ['timeout', { timeout: -1 }],
      ['timeout', { timeout: '5' }],
      ['signal', { signal: {} }],
      ['signal', { signal: null }],
    ] as const)
      await assert.rejects(async () => events.wait('orderNew', given), refused(argument));
    for (const name of ['new', 0, 99, 1.5, undefined, null])
      await assert.rejects(async () => events.wait(name), EventNotDeclaredError);
    assert.throws(() => events.listen('nothing'), EventNotDeclaredError);
  });

  test('is told from what no class declares, for which there is an error of its own', async () => {
    await using db = await open();
    const events = db.events as unknown as Loose;
    for (const kind of ['created', 'fieldUpdate:note', 'fieldUpdate', 'toString', 5]) {
      assert.throws(() => events.feed(Order, { kinds: [kind] }), EventNotDeclaredError);
      await assert.rejects(async () => events.on(Order, [kind], nothing), EventNotDeclaredError);
      await assert.rejects(
        async () => events.durable('name', Order, nothing, { kinds: [kind] }),
        EventNotDeclaredError,
      );
    }
    assert.throws(() => events.feed(Marker, { kinds: ['update'] }), EventNotDeclaredError);
    // Of several classes one is enough.
    const feed = db.events.feed(both, { kinds: ['update', 'new'] });
    await db.records(Order).insert(order(1));
    assert.deepEqual((await told(db, feed)).map(short), ['new 1']);
    feed.close();
  });

  test('is what a moment that caughtUp() cannot mean is, too', async () => {
    await using db = await open();
    const subscription = await db.events.on(Order, ['new'], nothing);
    for (const seq of ['1', 1, null, -1n])
      await assert.rejects(subscription.caughtUp(seq as unknown as bigint), refused('seq'));
    await subscription.close();
  });
});
