import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  BackpressureError,
  CasMismatchError,
  ClosedError,
  connect,
  type Database,
  DecodeError,
  DiscardedError,
  EventBase,
  InvalidArgumentError,
  KeyExistsError,
  KeyNotFoundError,
  ServerError,
  StorageError,
  TimeoutError,
  type Transactions,
} from '../../lib/index.ts';
import { Clock, Directory, onBothKinds } from './embedded.mts';
import { outcomes } from './harness.mts';

const LARGEST = 0xffffffffffffffffn;
const MIB = 1024 * 1024;

const refused = (argument: string) => (error: unknown) =>
  error instanceof InvalidArgumentError && error.context.argument === argument;

/** Every way to name a key. */
function callsWith(db: Transactions, key: string): (() => Promise<unknown>)[] {
  return [
    () => db.get(key),
    () => db.getRecord(key),
    () => db.getMany(['fine', key]),
    () => db.exists(key),
    () => db.insert(key, 'v'),
    () => db.upsert(key, 'v'),
    () => db.replace(key, 'v'),
    () => db.remove(key),
    () => db.touch(key, { ttl: 1 }),
    () => db.getAndTouch(key, { ttl: 1 }),
    () => db.increment(key),
    () => db.decrement(key),
    () => db.append(key, 'v'),
    () => db.prepend(key, 'v'),
  ];
}

onBothKinds('single records', (open) => {
  test('get resolves to what upsert wrote, and to undefined where there is nothing', async () => {
    await using db = await open();
    assert.equal(await db.get('k'), undefined);
    await db.upsert('k', 'value');
    assert.equal(await db.get('k'), 'value');
    await db.upsert('k', 'other');
    assert.equal(await db.get('k'), 'other');
  });

  test('getRecord adds the version and the flags', async () => {
    await using db = await open();
    assert.equal(await db.getRecord('k'), undefined);
    const { cas } = await db.upsert('k', { a: 1 });
    const record = await db.getRecord<{ a: number }>('k');
    assert.deepEqual([record?.value, record?.cas, record?.flags], [{ a: 1 }, cas, 0x02000000]);
    assert.ok(cas > 0n);
    await db.upsert('k', { a: 1 });
    assert.notEqual((await db.getRecord('k'))?.cas, cas);
  });

  test('getMany resolves to what there is, by key', async () => {
    await using db = await open();
    const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
    await Promise.all(keys.filter((_, i) => i % 2 === 0).map((key, i) => db.upsert(key, i)));
    const found = await db.getMany<number>([...keys, 'k0', 'none']);
    assert.equal(found.size, 500);
    assert.equal(found.get('k998'), 499);
    assert.deepEqual(await db.getMany([]), new Map());
    const partial = await db.getMany<number>([...keys, 'none'], { partial: true });
    assert.deepEqual(partial, { values: found, errors: new Map() });
  });

  test('exists and remove tell whether there was a record', async () => {
    await using db = await open();
    assert.equal(await db.exists('k'), false);
    assert.equal(await db.remove('k'), false);
    await db.upsert('k', 'x'.repeat(100_000));
    assert.equal(await db.exists('k'), true);
    assert.equal(await db.remove('k'), true);
    assert.equal(await db.exists('k'), false);
  });

  test('insert writes only what is not there', async () => {
    await using db = await open();
    const { cas } = await db.insert('k', 1);
    await assert.rejects(db.insert('k', 2), (error) => {
      assert.ok(error instanceof KeyExistsError);
      assert.deepEqual([error.context.op, error.context.key], ['insert', 'k']);
      return true;
    });
    const record = await db.getRecord('k');
    assert.deepEqual([record?.value, record?.cas], [1, cas]);
  });

  test('replace writes only what is there', async () => {
    await using db = await open();
    await assert.rejects(db.replace('k', 1), KeyNotFoundError);
    assert.equal(await db.exists('k'), false);
    await db.upsert('k', 1);
    await db.replace('k', 2);
    assert.equal(await db.get('k'), 2);
  });

  test('append and prepend put bytes around a value, whose flags stay', async () => {
    await using db = await open();
    await assert.rejects(db.append('k', 'x'), KeyNotFoundError);
    await assert.rejects(db.prepend('k', 'x'), KeyNotFoundError);
    assert.equal(await db.exists('k'), false);
    await db.upsert('k', 'm');
    await db.append('k', 'ü');
    const { cas } = await db.prepend('k', Buffer.from('<'));
    await db.append('k', '');
    const record = await db.getRecord('k');
    assert.deepEqual([record?.value, record?.flags], ['<mü', 0x04000000]);
    assert.ok(cas > 0n);
  });

  test('a write under the cas of the record succeeds, under an older one it is a CasMismatchError', async () => {
    await using db = await open();
    const first = await db.upsert('k', 'one');
    const second = await db.upsert('k', 'two', { cas: first.cas });
    const third = await db.replace('k', 'three', { cas: second.cas });
    const fourth = await db.append('k', '!', { cas: third.cas });
    const fifth = await db.prepend('k', '?', { cas: fourth.cas });
    assert.equal(await db.get('k'), '?three!');
    const { cas } = third;
    await assert.rejects(db.upsert('k', 'x', { cas }), CasMismatchError);
    await assert.rejects(db.replace('k', 'x', { cas }), CasMismatchError);
    await assert.rejects(db.append('k', 'x', { cas }), CasMismatchError);
    await assert.rejects(db.prepend('k', 'x', { cas }), CasMismatchError);
    await assert.rejects(db.remove('k', { cas }), CasMismatchError);
    assert.equal(await db.get('k'), '?three!');
    assert.equal(await db.remove('k', { cas: fifth.cas }), true);
  });

  test('a cas given for a record that is gone is a KeyNotFoundError, and nothing is written', async () => {
    await using db = await open();
    const { cas } = await db.upsert('k', 1);
    await db.remove('k');
    await assert.rejects(db.upsert('k', 2, { cas }), KeyNotFoundError);
    await assert.rejects(db.replace('k', 2, { cas }), KeyNotFoundError);
    assert.equal(await db.remove('k', { cas }), false);
    assert.equal(await db.exists('k'), false);
  });

  test('no two writes have the same version, whatever is written together', async () => {
    await using db = await open();
    const written = await Promise.all(Array.from({ length: 3000 }, (_, i) => db.upsert(`k${i % 7}`, i)));
    assert.equal(new Set(written.map(({ cas }) => cas)).size, 3000);
  });

  test('operations on one key happen in the order of their calls', async () => {
    await using db = await open();
    const seen = [];
    for (let i = 0; i < 500; i += 1) seen.push(db.upsert('k', i), db.get('k'), db.remove('k'), db.get('k'));
    const results = await Promise.all(seen);
    for (let i = 0; i < 500; i += 1)
      assert.deepEqual(results.slice(i * 4 + 1, i * 4 + 4), [i, true, undefined]);
  });

  test('every read that follows a write sees it, awaited or not', async () => {
    await using db = await open();
    for (let i = 0; i < 50; i += 1) {
      void db.upsert('k', i);
      const [get, record, many, exists, view] = await Promise.all([
        db.get('k'),
        db.getRecord('k'),
        db.getMany(['k', 'l']),
        db.exists('k'),
        db.getAndTouch('k', { ttl: 0 }),
      ]);
      assert.deepEqual([get, record?.value, many.get('k'), exists, view], [i, i, i, true, i]);
    }
    for (let i = 1; i < 50; i += 1) {
      await db.upsert('k', -i);
      assert.equal(await db.get('k'), -i);
    }
  });

  test('a value is what JSON, text and bytes say, of any size', async () => {
    await using db = await open();
    for (const value of [null, true, 0, -0.5, [], {}, [1, 'ü', null], { a: { b: [{}] } }, 'true', '']) {
      await db.upsert('k', value);
      assert.deepEqual(await db.get('k'), value);
    }
    const sizes = [0, 1, 2000, 4095, 4096, 16_385, MIB + 1, 20 * MIB];
    const values = new Map(sizes.map((size) => [`bytes${size}`, Buffer.alloc(size, size & 0xff)]));
    for (const [key, value] of values) await db.upsert(key, value);
    for (const [key, value] of values) assert.ok((await db.get<Buffer>(key))?.equals(value), key);
    await db.upsert('k', '漢'.repeat(MIB));
    assert.equal(await db.get('k'), '漢'.repeat(MIB));
  });

  test('a Buffer may be changed as soon as the call has returned, and one that was read is the reader’s', async () => {
    await using db = await open();
    for (const size of [6, 100_000]) {
      const value = Buffer.alloc(size, 'b');
      const written = [
        db.upsert('k', value),
        db.append('k', value),
        db.schedule((ctx) => ctx.insert('l', value)),
      ];
      value.fill(0);
      await Promise.all(written);
      const read = await db.get<Buffer>('k');
      assert.deepEqual(read, Buffer.alloc(2 * size, 'b'));
      read?.fill(0);
      assert.deepEqual(await db.get('k'), Buffer.alloc(2 * size, 'b'));
      assert.deepEqual(await db.get('l'), Buffer.alloc(size, 'b'));
      await db.remove('l');
    }
  });

  test('what the transcoder cannot decode is a DecodeError that names the key', async () => {
    await using db = await open();
    await db.upsert('k', {});
    await db.append('k', '{');
    for (const read of [db.get('k'), db.getMany(['k']), db.getAndTouch('k', { ttl: 1 })]) {
      await assert.rejects(read, (error) => error instanceof DecodeError && error.context.key === 'k');
    }
    assert.equal(await db.exists('k'), true);
  });
});

onBothKinds('counters', (open) => {
  test('a missing counter without initial is a miss and stays missing', async () => {
    await using db = await open();
    assert.equal(await db.increment('k'), undefined);
    assert.equal(await db.decrement('k', { delta: 5, ttl: 10 }), undefined);
    assert.equal(await db.exists('k'), false);
  });

  test('a missing counter is created with initial, whatever delta is', async () => {
    await using db = await open();
    assert.equal(await db.increment('up', { delta: 5n, initial: 100n }), 100n);
    assert.equal(await db.increment('up', { delta: 5n, initial: 100n }), 105n);
    assert.equal(await db.decrement('down', { delta: 5, initial: 7 }), 7n);
    assert.equal(await db.decrement('down', { delta: 5, initial: 7 }), 2n);
    assert.equal(await db.increment('zero', { initial: 0 }), 0n);
    assert.equal(await db.increment('large', { initial: LARGEST }), LARGEST);
  });

  test('wraps at 2^64 going up, stops at 0 going down, and is never rounded', async () => {
    await using db = await open();
    await db.increment('k', { initial: LARGEST });
    assert.equal(await db.increment('k'), 0n);
    assert.equal(await db.increment('k', { delta: LARGEST }), LARGEST);
    assert.equal(await db.increment('k', { delta: 11n }), 10n);
    assert.equal(await db.decrement('k', { delta: 11n }), 0n);
    assert.equal(await db.decrement('k', { delta: LARGEST }), 0n);
    assert.equal(await db.increment('k', { delta: 9007199254740993n }), 9007199254740993n);
    assert.equal(await db.increment('k'), 9007199254740994n);
  });

  test('counts in what was written as a number or a string of digits', async () => {
    await using db = await open();
    await Promise.all([db.upsert('number', 41), db.upsert('text', '99')]);
    assert.equal(await db.increment('number'), 42n);
    assert.equal(await db.get('number'), 42);
    assert.equal(await db.increment('text'), 100n);
    assert.equal(await db.get('text'), '100');
  });

  test('what is not numeric is a ServerError with the status it has on memcached', async () => {
    await using db = await open();
    for (const value of ['twelve', '', '-1', '18446744073709551616', '1'.repeat(100_000), { a: 1 }]) {
      await db.upsert('k', value);
      for (const count of [db.increment('k'), db.decrement('k')])
        await assert.rejects(count, (error) => error instanceof ServerError && error.context.status === 6);
      assert.deepEqual(await db.get('k'), value);
    }
  });

  test('ten thousand increments at once all count', async () => {
    await using db = await open();
    await db.increment('k', { initial: 0 });
    const counts = await Promise.all(Array.from({ length: 10_000 }, () => db.increment('k')));
    assert.equal(new Set(counts).size, 10_000);
    assert.equal(await db.increment('k', { delta: 0 }), 10_000n);
  });
});

onBothKinds('Time-To-Live', (open) => {
  test('a record is gone for every operation once its ttl is over, and not before', async () => {
    const clock = new Clock();
    await using db = await open({ clock: clock.read, sweeper: false });
    const write = () => db.upsert('k', 'v', { ttl: 10 });
    await write();
    clock.advance(9.999);
    assert.equal(await db.get('k'), 'v');
    clock.advance(0.001);
    assert.equal(await db.get('k'), undefined);
    assert.equal(await db.getRecord('k'), undefined);
    assert.deepEqual(await db.getMany(['k']), new Map());
    const gone: [call: () => Promise<unknown>, outcome: unknown][] = [
      [() => db.exists('k'), false],
      [() => db.remove('k'), false],
      [() => db.touch('k', { ttl: 5 }), false],
      [() => db.getAndTouch('k', { ttl: 5 }), undefined],
      [() => db.increment('k'), undefined],
      [() => db.increment('k', { initial: 5 }), 5n],
    ];
    for (const [call, outcome] of gone) {
      await write();
      clock.advance(10);
      assert.deepEqual(await call(), outcome);
    }
    for (const call of [() => db.replace('k', 1), () => db.append('k', 'x'), () => db.prepend('k', 'x')]) {
      await write();
      clock.advance(10);
      await assert.rejects(call(), KeyNotFoundError);
    }
    await write();
    clock.advance(10);
    await db.insert('k', 'anew');
    clock.advance(1e9);
    assert.equal(await db.get('k'), 'anew');
  });

  test('touch, getAndTouch and every write give it a new one; append and counters leave it', async () => {
    const clock = new Clock();
    await using db = await open({ clock: clock.read, sweeper: false });
    const names = ['touched', 'read', 'kept', 'written', 'plain', 'appended', 'counted', 'created'];
    for (const name of names.slice(0, -1)) await db.upsert(name, '1', { ttl: 10 });
    await db.increment('created', { initial: 1, ttl: 10 });
    assert.equal(await db.touch('touched', { ttl: 100 }), true);
    assert.equal(await db.getAndTouch('read', { ttl: 100 }), '1');
    assert.equal(await db.touch('kept', { ttl: 0 }), true);
    await db.replace('written', '1', { expiresAt: new Date(clock.read() + 100_000) });
    await db.upsert('plain', '1');
    await db.append('appended', '1');
    await db.increment('counted', { ttl: 100 });
    clock.advance(10);
    assert.deepEqual([...(await db.getMany(names)).keys()], names.slice(0, 5));
    clock.advance(90);
    assert.deepEqual([...(await db.getMany(names)).keys()], ['kept', 'plain']);
  });

  test('touch leaves the version as it is', async () => {
    await using db = await open();
    const { cas } = await db.upsert('k', 1);
    await db.touch('k', { ttl: 100 });
    await db.upsert('k', 2, { cas });
  });

  test('what is to expire in the past is gone at once, what expires after 30 days stays', async () => {
    const clock = new Clock();
    await using db = await open({ clock: clock.read, sweeper: false });
    for (const time of [clock.read() - 60_000, 0, 5000, -1e12]) {
      await db.upsert('k', 'v', { expiresAt: new Date(time) });
      assert.equal(await db.get('k'), undefined);
    }
    await db.upsert('k', 'v', { ttl: 31 * 86_400 });
    clock.advance(31 * 86_400 - 1);
    assert.equal(await db.get('k'), 'v');
    clock.advance(2);
    assert.equal(await db.get('k'), undefined);
  });

  test('time does not go back when the clock does', async () => {
    let now = Date.UTC(2030, 0, 1);
    await using db = await open({ clock: () => now, sweeper: false });
    await db.upsert('k', 'v', { ttl: 10 });
    now += 20_000;
    assert.equal(await db.get('k'), undefined);
    now -= 20_000;
    assert.equal(await db.get('k'), undefined);
    assert.equal(await db.exists('k'), false);
  });
});

onBothKinds('bad arguments', (open) => {
  const bad: [what: string, key: unknown][] = [
    ['the empty string', ''],
    ['251 bytes', 'c'.repeat(251)],
    ['252 bytes in 63 emoji', '😀'.repeat(63)],
    ['a very long one', 'd'.repeat(1_000_000)],
    ['a space', 'a b'],
    ['a zero', 'a\u0000b'],
    ['DEL', 'a\u007f'],
    ['a lone surrogate', 'a\ud800'],
    ['undefined', undefined],
    ['a number', 1],
    ['a Buffer', Buffer.from('k')],
    ['an object', { toString: () => 'k' }],
  ];
  for (const [what, key] of bad) {
    test(`${what} as a key is refused by every call, naming it, inside and outside of contexts`, async () => {
      await using db = await open();
      for (const call of callsWith(db, key as string)) assert.throws(call, refused('key'));
      const context = db.enter();
      for (const call of callsWith(context, key as string)) assert.throws(call, refused('key'));
      assert.equal(context.size, 0);
      assert.equal(await db.exists('fine'), false);
    });

    test(`${what} as a key is refused in a transaction, and others' writes are not touched by it`, async () => {
      await using db = await open();
      const others = Promise.all([db.upsert('a', 1), db.upsert('b', 2)]);
      await db.transaction(async (tx) => {
        for (const call of callsWith(tx, key as string)) assert.throws(call, refused('key'));
        await tx.upsert('c', 3);
      });
      await others;
      assert.equal((await db.getMany(['a', 'b', 'c'])).size, 3);
    });
  }

  test('keys of 250 bytes and of every printable character are taken', async () => {
    await using db = await open();
    const keys = ['a', 'b'.repeat(250), 'ü'.repeat(125), `${'😀'.repeat(62)}xy`, '鍵:Ключ', 'K', 'k'];
    keys.push(String.fromCharCode(...Array.from({ length: 94 }, (_, i) => i + 33)));
    await Promise.all(keys.map((key) => db.upsert(key, key)));
    assert.deepEqual([...(await db.getMany(keys)).values()], keys);
  });

  test('what is no version, no ttl, no timeout and no signal is refused by the call', async () => {
    await using db = await open();
    for (const cas of [0n, -1n, 1n << 64n, 1, '1', null])
      assert.throws(() => db.upsert('k', 1, { cas: cas as bigint }), refused('cas'));
    for (const options of [{}, undefined])
      assert.throws(() => db.touch('k', options as { ttl: number }), refused('ttl'));
    for (const timeout of [0, -1, Number.NaN, 2 ** 31])
      assert.throws(() => db.get('k', { timeout }), refused('timeout'));
    for (const signal of [null, {}, new AbortController()])
      assert.throws(() => db.get('k', { signal: signal as AbortSignal }), refused('signal'));
    for (const value of ['a\ud800b', undefined, () => {}, 1n])
      assert.throws(() => db.upsert('k', value), InvalidArgumentError);
  });
});

describe('limits of an embedded database', () => {
  test('a write that is not committed in time is a TimeoutError, a read is always in time', async () => {
    await using directory = await Directory.make();
    await using db = await directory.open();
    const late = db.upsert('k', 1, { timeout: 1 });
    const end = performance.now() + 50;
    while (performance.now() < end);
    const [outcome] = await Promise.allSettled([late]);
    // Which of the two comes first, the timer or the commit, is not ours to say; a third there is not.
    if (outcome.status === 'rejected') {
      assert.ok(outcome.reason instanceof TimeoutError);
      assert.equal(outcome.reason.context.op, 'upsert');
    }
    assert.equal(await db.get('other', { timeout: 1 }), undefined);
    await db.upsert('k', 2);
    assert.equal(await db.get('k'), 2);
  });

  test('an AbortSignal rejects with its reason, before the call or before the commit', async () => {
    await using db = await connect('embedded:');
    const reason = new Error('no longer wanted');
    const calls: ((db: Database<readonly []>, signal: AbortSignal) => Promise<unknown>)[] = [
      (db, signal) => db.get('k', { signal }),
      (db, signal) => db.getMany(['k', 'l'], { signal }),
      (db, signal) => db.upsert('k', 1, { signal }),
      (db, signal) => db.remove('k', { signal }),
      (db, signal) => db.increment('k', { signal, initial: 1 }),
    ];
    for (const call of calls) await assert.rejects(call(db, AbortSignal.abort(reason)), reason);
    assert.equal(await db.get('k'), undefined);
    for (const call of calls.slice(2)) {
      const controller = new AbortController();
      const outcome = call(db, controller.signal);
      controller.abort(reason);
      await assert.rejects(outcome, reason);
    }
    assert.equal(await db.get('k'), undefined);
    const controller = new AbortController();
    await db.upsert('k', 1, { signal: controller.signal });
    controller.abort();
    assert.equal(await db.get('k'), 1);
  });

  test('one signal for thousands of writes ends all of them without a warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    await using db = await connect('embedded:');
    const controller = new AbortController();
    const { signal } = controller;
    const writes = Array.from({ length: 5000 }, (_, i) => db.upsert(`k${i}`, i, { signal }));
    controller.abort();
    assert.deepEqual(new Set(await outcomes(writes)), new Set([20]));
    assert.equal(await db.exists('k0'), false);
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });

  test('beyond maxQueued writes reject with BackpressureError, which is retryable, and writing goes on', async () => {
    await using db = await connect('embedded:', { maxQueued: 3 });
    for (let round = 0; round < 3; round += 1) {
      const writes = Array.from({ length: 5 }, (_, i) => db.upsert(`k${i}`, i));
      assert.deepEqual(await outcomes(writes), [
        ...Array(3).fill('ok'),
        ...Array(2).fill('EVENKEEL_BACKPRESSURE'),
      ]);
      await assert.rejects(writes[4] as Promise<unknown>, (error) => {
        assert.ok(error instanceof BackpressureError && error.retryable && !error.ambiguous);
        assert.match(error.message, /maxQueued/);
        return true;
      });
    }
    const many = db.schedule((ctx) => [1, 2, 3, 4].map((i) => ctx.upsert(`s${i}`, i)));
    await assert.rejects(many, BackpressureError);
    await db.schedule((ctx) => [1, 2, 3].map((i) => ctx.upsert(`s${i}`, i)));
  });

  test('getMany of more keys than maxQueued is answered, while nothing is written and while a lot is', async () => {
    await using db = await connect('embedded:', { maxQueued: 5, timeout: 20_000 });
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    for (const key of keys) await db.upsert(key, key);
    assert.equal((await db.getMany(keys)).size, 20);
    const writes = [1, 2, 3].map((i) => db.upsert(`k${i}`, i));
    assert.equal((await db.getMany(keys)).get('k3'), 3);
    await Promise.all(writes);
  });

  test('after close every call throws ClosedError, and closing again waits for the same end', async () => {
    const db = await connect('embedded:');
    const context = db.enter();
    const written = db.upsert('k', 1);
    const staged = context.upsert('k', 2);
    const closing = db.close();
    for (const call of callsWith(db, 'k')) assert.throws(call, ClosedError);
    context.leave();
    await assert.rejects(staged, ClosedError);
    await written;
    await Promise.all([closing, db.close()]);
    assert.throws(() => db.via(EventBase.host), ClosedError);
    await assert.rejects(
      db.transaction(() => {}),
      ClosedError,
    );
  });

  test('a read-only database is read in every way, and every write is a StorageError', async () => {
    await using directory = await Directory.make();
    await using writer = await directory.open();
    await writer.upsert('k', 'v');
    await writer.close();
    await using db = await directory.open({ readOnly: true });
    assert.equal(await db.get('k'), 'v');
    assert.equal((await db.getMany(['k'])).size, 1);
    assert.deepEqual(await db.schedule((ctx) => [ctx.get('k'), ctx.exists('l'), ctx.getMany(['k'])]), [
      'v',
      false,
      new Map([['k', 'v']]),
    ]);
    assert.equal(await db.transaction((tx) => tx.get('k')), 'v');
    for (const call of [
      () => db.upsert('k', 1),
      () => db.remove('k'),
      () => db.increment('k'),
      () => db.touch('k', { ttl: 1 }),
      () => db.schedule((ctx) => ctx.upsert('k', 1)),
      () => db.transaction((tx) => tx.upsert('k', 1)),
    ])
      await assert.rejects(async () => call(), StorageError);
  });
});

onBothKinds('a scheduling context', (open) => {
  test('keeps everything until leave, which executes all of it in the order of the calls', async () => {
    await using db = await open();
    const context = db.enter();
    const promises = [
      context.upsert('a', 1),
      context.get('a'),
      context.insert('b', 'b'),
      context.exists('b'),
      context.increment('c', { initial: 1 }),
      context.decrement('c'),
      context.append('b', 'x'),
      context.prepend('b', '<'),
      context.replace('a', 2),
      context.touch('a', { ttl: 5 }),
      context.getAndTouch('a', { ttl: 5 }),
      context.getMany(['a', 'b', 'c', 'none']),
      context.remove('a'),
      context.get('a'),
      context.remove('a'),
    ];
    assert.equal(context.size, 18);
    assert.equal(await db.exists('b'), false);
    context.leave();
    const results = await Promise.all(promises);
    assert.deepEqual(
      results.filter((_, i) => ![0, 2, 6, 7, 8].includes(i)),
      [
        1,
        true,
        1n,
        0n,
        true,
        2,
        new Map<string, unknown>([
          ['a', 2],
          ['b', '<bx'],
          ['c', '0'].map((each, i) => (i === 1 ? Buffer.from(each) : each)) as [string, unknown],
        ]),
        true,
        undefined,
        false,
      ],
    );
    assert.equal(await db.get('b'), '<bx');
    assert.equal(context.size, 0);
  });

  test('fails as a whole: the operation at fault with its error, the others with DiscardedError', async () => {
    await using db = await open();
    await db.upsert('there', 1);
    const faults: [fault: (ctx: Transactions) => Promise<unknown>, kind: typeof KeyExistsError][] = [
      [(ctx) => ctx.insert('there', 2), KeyExistsError],
      [(ctx) => ctx.replace('missing', 2), KeyNotFoundError],
      [(ctx) => ctx.upsert('there', 2, { cas: 999_999n }), CasMismatchError],
      [(ctx) => ctx.increment('text'), ServerError],
    ];
    for (const [fault, kind] of faults) {
      const context = db.enter();
      const before = [context.upsert('a', 1), context.upsert('text', 'x'), context.getMany(['a'])];
      const failing = fault(context);
      const after = [context.get('a'), context.remove('there')];
      context.leave();
      await assert.rejects(failing, kind);
      for (const each of [...before, ...after]) {
        await assert.rejects(each, (error) => {
          assert.ok(error instanceof DiscardedError);
          assert.ok(error.cause instanceof kind);
          return true;
        });
      }
      assert.deepEqual(await db.getMany(['a', 'text', 'there']), new Map([['there', 1]]));
    }
  });

  test('made by schedule() rejects with the error of the operation at fault, wherever that stands', async () => {
    await using db = await open();
    await assert.rejects(
      db.schedule((ctx) => [ctx.insert('a', 1), ctx.upsert('b', 2), ctx.insert('a', 3), ctx.get('a')]),
      KeyExistsError,
    );
    assert.deepEqual(await db.getMany(['a', 'b']), new Map());
  });

  test('has the versions of its writes, which later writes may depend on', async () => {
    await using db = await open();
    const [a, twice, again] = await db.schedule((ctx) => [
      ctx.upsert('a', 1),
      ctx.upsert('b', 1),
      ctx.append('b', '1'),
    ]);
    assert.equal((await db.getRecord('a'))?.cas, a.cas);
    assert.equal((await db.getRecord('b'))?.cas, again.cas);
    assert.ok(twice.cas > 0n);
    await db.replace('a', 2, { cas: a.cas });
    await db.schedule((ctx) => ctx.replace('b', 2, { cas: again.cas }));
    await assert.rejects(db.replace('b', 3, { cas: again.cas }), CasMismatchError);
  });

  test('that fails, or whose function throws, leaves nothing behind', async () => {
    await using db = await open();
    const context = db.enter();
    const writes = [context.upsert('a', 1), context.getMany(['a'])];
    context.fail();
    for (const each of writes) await assert.rejects(each, DiscardedError);
    assert.throws(() => context.get('a'), ClosedError);
    const thrown = new Error('thrown');
    await assert.rejects(
      db.schedule((ctx) => {
        ctx.upsert('a', 1).catch(() => {});
        throw thrown;
      }),
      thrown,
    );
    assert.equal(await db.exists('a'), false);
  });

  test('is seen as a whole: what it moves is always in exactly one place', async () => {
    await using db = await open();
    await db.upsert('here', 1);
    let isDone = false;
    const looking = (async () => {
      for (let looks = 0; ; looks += 1) {
        const { size } = await db.getMany(['here', 'there']);
        assert.equal(size, 1);
        if (isDone) return looks;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let i = 0; i < 50; i += 1) {
      const [from, to] = i % 2 === 0 ? ['here', 'there'] : ['there', 'here'];
      await db.schedule((ctx) => [ctx.remove(from as string), ctx.upsert(to as string, i)]);
    }
    isDone = true;
    assert.ok((await looking) > 0);
  });

  test('that is aborted in part ends as a whole', async () => {
    await using db = await open();
    const controller = new AbortController();
    const context = db.enter();
    const other = context.upsert('a', 1);
    const aborted = context.upsert('b', 1, { signal: controller.signal });
    context.leave();
    controller.abort();
    await assert.rejects(aborted, { name: 'AbortError' });
    await assert.rejects(other, DiscardedError);
    assert.equal((await db.getMany(['a', 'b'])).size, 0);
  });
});
