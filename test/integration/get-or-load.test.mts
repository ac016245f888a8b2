import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import {
  ClosedError,
  InvalidArgumentError,
  KeyExistsError,
  TimeoutError,
  UnsupportedError,
} from '../../lib/errors.ts';
import type { Load } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { skipAhead, timeOutAtOnce } from '../clock.mts';
import { everywhere, onBothBases, outcomes, until } from './harness.mts';

/** Never fresh for those who ask with a `staleFor` above it. */
const OLD = { ttl: 100 };
const STALE_FOR = 1000;
const FRESH = { ttl: 1000 };

/** A loader that returns when the test says so. */
class Gate<T> {
  calls = 0;
  readonly loads: Load[] = [];
  #open: (value: T | PromiseLike<T>) => void = () => {};
  readonly #value = new Promise<T>((resolve) => {
    this.#open = resolve;
  });

  readonly load = (load: Load): Promise<T> => {
    this.calls += 1;
    this.loads.push(load);
    return this.#value;
  };

  open(value: T): void {
    this.#open(value);
  }

  fail(error: Error): void {
    this.#open(Promise.reject(error));
  }
}

const never = (): never => {
  throw new Error('this loader is not to be called');
};

everywhere(
  'getOrLoad',
  (site) => {
    test('calls that miss at once share one load, and each gets a copy of its own', async () => {
      await using db = await site.open();
      const key = site.key();
      const gate = new Gate<{ list: number[]; at: Date }>();
      const calls = Array.from({ length: 50 }, () => db.getOrLoad(key, gate.load, FRESH));
      await until(() => gate.calls > 0);
      calls.push(db.getOrLoad(key, never, FRESH));
      assert.equal(await db.get(key), undefined);
      gate.open({ list: [1], at: new Date(0) });
      const values = await Promise.all(calls);
      assert.equal(gate.calls, 1);
      assert.equal(gate.loads[0]?.key, key);
      values[0]?.list.push(2);
      const stored = { list: [1], at: '1970-01-01T00:00:00.000Z' };
      for (const value of values.slice(1)) assert.deepEqual(value, stored);
      assert.deepEqual(await db.getOrLoad(key, never, FRESH), stored);
      assert.deepEqual(await db.get(key), stored);
    });

    test('of many clients that miss at once one loads, and the others get its value', async () => {
      const clients = await Promise.all(Array.from({ length: 8 }, () => site.open()));
      const key = site.key();
      const gate = new Gate<string>();
      const calls = clients.map((db) => db.getOrLoad(key, gate.load, FRESH));
      await until(() => gate.calls > 0);
      gate.open('loaded');
      assert.deepEqual(
        await Promise.all(calls),
        clients.map(() => 'loaded'),
      );
      assert.equal(gate.calls, 1);
      await Promise.all(clients.map((db) => db.close()));
    });

    test('while one loads what is stale, everybody gets the old value', async () => {
      await using db = await site.open();
      await using other = await site.open();
      const key = site.key();
      await db.upsert(key, 'old', OLD);
      const gate = new Gate<string>();
      const options = { ttl: 1000, staleFor: STALE_FOR };
      assert.equal(await db.getOrLoad(key, gate.load, options), 'old');
      assert.equal(await other.getOrLoad(key, never, options), 'old');
      assert.equal(await db.getOrLoad(key, never, options), 'old');
      assert.equal(gate.calls, 1);
      gate.open('new');
      await db.idle();
      for (const each of [db, other]) assert.equal(await each.getOrLoad(key, never, options), 'new');
      const { ttl = 0 } = (await db.getDetails(key)) ?? {};
      assert.ok(ttl > 1990 && ttl <= 2000, `${ttl} s`);
    });

    test('what was invalidated is loaded once, and given meanwhile', async () => {
      await using db = await site.open();
      await using other = await site.open();
      const key = site.key();
      assert.equal(await db.invalidate(key), false);
      const { cas } = await db.upsert(key, 'old', FRESH);
      await assert.rejects(db.invalidate(key, { cas: cas + 1n }), { code: 'EVENKEEL_CAS_MISMATCH' });
      assert.equal(await db.getOrLoad(key, never, FRESH), 'old');
      assert.equal(await db.invalidate(key, { cas, staleFor: 500 }), true);
      const gate = new Gate<string>();
      assert.equal(await db.getOrLoad(key, gate.load, FRESH), 'old');
      assert.equal(await other.getOrLoad(key, never, FRESH), 'old');
      const record = await db.getDetails(key);
      assert.deepEqual([record?.value, record?.isStale], ['old', true]);
      assert.ok(record?.ttl !== undefined && record.ttl <= 500 && record.ttl > 490);
      gate.open('new');
      await db.idle();
      assert.equal(await other.getOrLoad(key, never, FRESH), 'new');
      assert.equal((await db.getDetails(key))?.isStale, false);
    });

    test('what was written, invalidated or removed since the load began is not overwritten by it', async () => {
      await using db = await site.open();
      const changes = {
        written: [(key: string) => db.upsert(key, 'theirs'), 'theirs'],
        removed: [(key: string) => db.remove(key), undefined],
      } as const;
      for (const [what, [change, left]] of Object.entries(changes)) {
        const key = site.key(what);
        const gate = new Gate<string>();
        const call = db.getOrLoad(key, gate.load, FRESH);
        await until(() => gate.calls > 0);
        await change(key);
        gate.open('too old');
        assert.equal(await call, 'too old');
        await db.idle();
        assert.equal(await db.get(key), left, what);
      }
      const key = site.key();
      await db.upsert(key, 'old', OLD);
      const options = { ttl: 1000, staleFor: STALE_FOR };
      const [early, late] = [new Gate<string>(), new Gate<string>()];
      await db.getOrLoad(key, early.load, options);
      await db.invalidate(key);
      assert.equal(await db.getOrLoad(key, late.load, options), 'old');
      early.open('too old');
      late.open('new');
      await db.idle();
      assert.deepEqual([early.calls, late.calls, await db.getOrLoad(key, never, options)], [1, 1, 'new']);
    });

    test('a loader that throws ends the calls that wait for it, and the next one loads', async () => {
      await using db = await site.open();
      await using other = await site.open();
      const failure = new Error('of the loader');
      const ways = [
        () => Promise.reject(failure),
        () => {
          throw failure;
        },
      ];
      for (const way of ways) {
        const key = site.key();
        const calls = [db.getOrLoad(key, way, FRESH), db.getOrLoad(key, way, FRESH)];
        await Promise.all(calls.map((call) => assert.rejects(call, (error) => error === failure)));
        await db.idle();
        assert.equal(await other.get(key), undefined);
        assert.equal(await other.getOrLoad(key, async () => 'loaded', FRESH), 'loaded');
      }
    });

    test('a loader that throws while all have an old value is told to onError, and the next call loads', async () => {
      await using db = await site.open();
      const key = site.key();
      await db.upsert(key, 'old', OLD);
      const failure = new Error('of the loader');
      const told: unknown[] = [];
      const options = {
        ttl: 1000,
        staleFor: STALE_FOR,
        onError: (...given: unknown[]) => void told.push(...given),
      };
      assert.equal(await db.getOrLoad(key, () => Promise.reject(failure), options), 'old');
      await until(() => told.length > 0);
      assert.deepEqual(told, [failure, key]);
      await db.idle();
      assert.equal(await db.getOrLoad(key, async () => 'new', options), 'old');
      await db.idle();
      assert.equal(await db.getOrLoad(key, never, options), 'new');
    });

    test('who has promised to renew a stale value and does not has a lease for it', async () => {
      await using db = await site.open();
      await using other = await site.open();
      const key = site.key();
      const options = { ttl: 1000, staleFor: STALE_FOR, lease: 20 };
      const promises = [
        async () => void (await db.getOrLoad(key, () => new Promise(() => {}), options)),
        async () => {
          await db.invalidate(key);
          assert.equal(await db.get(key), 'old');
        },
      ];
      for (const promise of promises) {
        await db.upsert(key, 'old', OLD);
        await promise();
        assert.equal(await other.getOrLoad(key, never, options), 'old');
        const early = skipAhead(19_000);
        assert.equal(await other.getOrLoad(key, never, options), 'old');
        early.restore();
        const late = skipAhead(21_000);
        assert.equal(await other.getOrLoad(key, never, options), 'old');
        late.restore();
        assert.equal(await other.getOrLoad(key, async () => 'new', options), 'old');
        await other.idle();
        assert.equal(await other.getOrLoad(key, never, options), 'new');
      }
      await db.close({ timeout: 1 });
    });

    test('a caller has its own deadline and signal, and a load goes on without it', async () => {
      await using db = await site.open();
      await using other = await site.open();
      const key = site.key();
      const gate = new Gate<string>();
      const controller = new AbortController();
      const aborted = db.getOrLoad(key, gate.load, { ...FRESH, signal: controller.signal });
      await until(() => gate.calls > 0);
      const patient = [db.getOrLoad(key, never, FRESH), other.getOrLoad(key, never, FRESH)];
      const hurried = [db, other].map((each) =>
        assert.rejects(
          each.getOrLoad(key, never, { ...FRESH, timeout: 30 }),
          (error) => error instanceof TimeoutError && error.context.key === key,
        ),
      );
      const reason = new Error('aborted');
      controller.abort(reason);
      await assert.rejects(aborted, (error) => error === reason);
      await Promise.all(hurried);
      gate.open('loaded');
      assert.deepEqual(await Promise.all(patient), ['loaded', 'loaded']);
      const { signal } = controller;
      await assert.rejects(db.getOrLoad(key, never, { ...FRESH, signal }), (error) => error === reason);
    });

    test('who is aborted while it reads gives back what it has won', async () => {
      await using db = await site.open();
      const key = site.key();
      const controller = new AbortController();
      const call = db.getOrLoad(key, never, { ...FRESH, signal: controller.signal });
      controller.abort();
      await assert.rejects(call, { name: 'AbortError' });
      assert.equal(await db.getOrLoad(key, async () => 'loaded', FRESH), 'loaded');
    });

    test('null is stored, undefined is not', async () => {
      await using db = await site.open();
      const [nothing, absent] = [site.key(), site.key()];
      assert.equal(await db.getOrLoad(nothing, async () => null, FRESH), null);
      assert.equal(await db.getOrLoad(nothing, never, FRESH), null);
      assert.equal(await db.getOrLoad(absent, async () => undefined, FRESH), undefined);
      await db.idle();
      await db.insert(absent, 'inserted');
    });

    test('while a value is loaded its key has no value, and is taken', async () => {
      await using db = await site.open();
      const key = site.key();
      const gate = new Gate<string>();
      const call = db.getOrLoad(key, gate.load, FRESH);
      await until(() => gate.calls > 0);
      assert.equal(await db.get(key), undefined);
      assert.equal(await db.getRecord(key), undefined);
      assert.equal(await db.getDetails(key), undefined);
      assert.deepEqual(await db.getMany([key]), new Map());
      await assert.rejects(db.insert(key, 'x'), KeyExistsError);
      gate.open('loaded');
      assert.equal(await call, 'loaded');
    });

    test('ttl may depend on the value, and any value that can be written can be loaded', async () => {
      await using db = await site.open();
      const ttlOf = (value: unknown): number => (value === null ? 100 : 0);
      const large = Buffer.alloc(100_000, 7);
      for (const [value, ttl] of [
        [null, 100],
        [large, undefined],
        ['', undefined],
        [Buffer.alloc(0), undefined],
      ] as const) {
        const key = site.key();
        assert.deepEqual(await db.getOrLoad(key, () => value, { ttl: ttlOf }), value);
        await db.idle();
        const record = await db.getDetails(key);
        assert.deepEqual(record?.value, value);
        if (ttl === undefined) assert.equal(record?.ttl, undefined);
        else assert.ok(record?.ttl !== undefined && record.ttl > 90 && record.ttl <= 100);
      }
    });

    test('a value that cannot be stored is an error where it is a mistake, and otherwise given all the same', async () => {
      await using db = await site.open();
      const key = site.key();
      for (const loader of [() => () => {}, () => '\ud800', () => Symbol('x')])
        await assert.rejects(db.getOrLoad<unknown>(key, loader, FRESH), InvalidArgumentError);
      const failure = new Error('of ttl');
      const ttl = (): number => {
        throw failure;
      };
      await assert.rejects(
        db.getOrLoad(key, () => 'x', { ttl }),
        (error) => error === failure,
      );
      await assert.rejects(
        db.getOrLoad(key, () => 'x', { ttl: () => -1 }),
        InvalidArgumentError,
      );
      const told: unknown[] = [];
      const tooLarge = Buffer.alloc(3_000_000);
      const options = { ...FRESH, onError: (error: unknown) => void told.push(error) };
      assert.deepEqual(await db.getOrLoad(key, () => tooLarge, options), tooLarge);
      await until(() => told.length > 0);
      assert.ok(told[0] instanceof InvalidArgumentError);
      await db.idle();
      assert.equal(await db.getOrLoad(key, () => 'fits', FRESH), 'fits');
    });

    test('details tell of a record what the server knows', async () => {
      await using db = await site.open();
      const key = site.key();
      assert.equal(await db.getDetails(key), undefined);
      const { cas } = await db.upsert(key, 'valü', { ttl: 500 });
      const {
        value,
        flags,
        size,
        ttl = 0,
        idle = 9,
        wasRead,
        isStale,
        ...rest
      } = (await db.getDetails(key)) ?? {};
      assert.deepEqual(
        { value, flags, size, wasRead, isStale, ...rest },
        {
          value: 'valü',
          flags: 0x04000000,
          size: 5,
          wasRead: false,
          isStale: false,
        },
      );
      assert.equal((await db.getDetails(key))?.cas, cas);
      assert.ok(ttl > 490 && ttl <= 500 && idle < 5);
      await db.get(key);
      await db.touch(key, { ttl: 0 });
      const read = await db.getDetails(key);
      assert.deepEqual([read?.wasRead, read?.ttl], [true, undefined]);
      const text = 'x'.repeat(50_000);
      await db.upsert(key, text);
      assert.equal((await db.getDetails(key))?.size, 50_000);
      const [staged, marked] = await db.schedule((ctx) => [ctx.getDetails(key), ctx.invalidate(key)]);
      assert.deepEqual([staged?.value, marked], [text, true]);
    });
  },
  ['meta'],
);

onBothBases('getOrLoad', (bases) => {
  test('a client that goes while it loads leaves the key to others when its lease is over', async () => {
    let now = Date.now();
    await using server = await startServer({ clock: () => now });
    const db = await bases.connect(server.url, { protocol: 'meta' });
    await using other = await bases.connect(server.url, { protocol: 'meta' });
    const gate = new Gate<string>();
    const calls = [db.getOrLoad('k', gate.load, FRESH), db.getOrLoad('k', gate.load, FRESH)];
    const waiting = other.getOrLoad('k', async () => 'loaded', FRESH);
    await until(() => gate.calls > 0);
    const closing = db.close({ timeout: 1 });
    await Promise.all(calls.map((call) => assert.rejects(call, ClosedError)));
    await closing;
    assert.ok(gate.loads[0]?.signal.aborted);
    assert.equal(await other.get('k'), undefined);
    gate.open('too late');
    now += 30_000;
    assert.equal(await waiting, 'loaded');
  });

  test('a loader that never returns has its lease', async () => {
    await using server = await startServer();
    await using db = await bases.connect(server.url, { protocol: 'meta' });
    const gate = new Gate<string>();
    const timers = timeOutAtOnce(12_345_000);
    const call = db.getOrLoad('k', gate.load, { ...FRESH, lease: 12_345 });
    await assert.rejects(call, (error) => error instanceof TimeoutError && /lease/.test(error.message));
    timers.restore();
    assert.ok(gate.loads[0]?.signal.aborted);
    await db.idle();
    assert.equal(await db.getOrLoad('k', async () => 'loaded', FRESH), 'loaded');
    gate.open('too late');
    await db.idle();
    assert.equal(await db.get('k'), 'loaded');
  });

  test('loaders may do what they like with the database', async () => {
    await using server = await startServer();
    await using db = await bases.connect(server.url, { protocol: 'meta' });
    const nested = db.getOrLoad('a', () => db.getOrLoad('b', async () => 'inner', FRESH), FRESH);
    assert.equal(await nested, 'inner');
    const oneself = () => db.getOrLoad('c', never, { ...FRESH, timeout: 20 });
    await assert.rejects(db.getOrLoad('c', oneself, FRESH), TimeoutError);
    const closes = db.getOrLoad('d', () => db.close({ timeout: 1 }).then(() => 'x'), FRESH);
    await assert.rejects(closes, ClosedError);
    assert.throws(() => db.getOrLoad('e', never, FRESH), ClosedError);
  });

  test('close() gives loads under way the time that it gives operations', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url, { protocol: 'meta' });
    await using other = await bases.connect(server.url, { protocol: 'meta' });
    const gate = new Gate<string>();
    const call = db.getOrLoad('k', gate.load, FRESH);
    await until(() => gate.calls > 0);
    const closing = db.close();
    gate.open('loaded');
    assert.equal(await call, 'loaded');
    await closing;
    assert.equal(await other.get('k'), 'loaded');
  });

  test('with implicitFlush: false only its first read waits for a flush', async () => {
    await using server = await startServer();
    await using db = await bases.connect(server.url, { protocol: 'meta', implicitFlush: false });
    await using other = await bases.connect(server.url, { protocol: 'meta' });
    let held: Promise<unknown> | undefined;
    const load = (): string => {
      held = db.upsert('held', 1);
      return 'loaded';
    };
    const call = db.getOrLoad('k', load, FRESH);
    assert.equal(await other.get('k'), undefined);
    await other.insert('k', 'nobody has asked for it yet');
    await other.remove('k');
    db.flush();
    assert.equal(await call, 'loaded');
    await until(async () => (await other.get('k')) === 'loaded');
    assert.equal(await other.get('held'), undefined);
    db.flush();
    await held;
    assert.equal(await other.get('held'), 1);
  });

  test('without a server a call is an error like any other, and its loader is not called', async () => {
    const server = await startServer();
    await using db = await bases.connect(server.url, { protocol: 'meta', timeout: 50 });
    await server.close();
    assert.deepEqual(await outcomes([db.getOrLoad('k', never, FRESH)]), ['EVENKEEL_TIMEOUT']);
  });

  test('bad arguments throw from the call', async () => {
    await using server = await startServer();
    await using db = await bases.connect(server.url, { protocol: 'meta' });
    const load = async () => 1;
    const calls: [string, () => unknown][] = [
      ['key', () => db.getOrLoad('', load, FRESH)],
      ['loader', () => db.getOrLoad('k', 'v' as never, FRESH)],
      ['options', () => db.getOrLoad('k', load, undefined as never)],
      ['options', () => db.getOrLoad('k', load, { ttl: 1, stalefor: 1 } as never)],
      ['ttl', () => db.getOrLoad('k', load, {} as never)],
      ['ttl', () => db.getOrLoad('k', load, { ttl: -1 })],
      ['ttl', () => db.getOrLoad('k', load, { ttl: '1' as never })],
      ['staleFor', () => db.getOrLoad('k', load, { ttl: 1, staleFor: -1 })],
      ['staleFor', () => db.getOrLoad('k', load, { ttl: 1, staleFor: Number.NaN })],
      ['staleFor', () => db.getOrLoad('k', load, { ttl: 0, staleFor: 5 })],
      ['lease', () => db.getOrLoad('k', load, { ttl: 1, lease: 0 })],
      ['lease', () => db.getOrLoad('k', load, { ttl: 1, lease: 0.5 })],
      ['lease', () => db.getOrLoad('k', load, { ttl: 1, lease: 86_401 })],
      ['onError', () => db.getOrLoad('k', load, { ttl: 1, onError: 1 as never })],
      ['timeout', () => db.getOrLoad('k', load, { ttl: 1, timeout: 0 })],
      ['signal', () => db.getOrLoad('k', load, { ttl: 1, signal: 1 as never })],
      ['staleFor', () => db.invalidate('k', { staleFor: 0 })],
      ['staleFor', () => db.invalidate('k', { staleFor: '1' as never })],
      ['options', () => db.invalidate('k', { ttl: 1 } as never)],
      ['cas', () => db.invalidate('k', { cas: -1n })],
    ];
    for (const [argument, call] of calls)
      assert.throws(
        call,
        (error) => error instanceof InvalidArgumentError && error.context.argument === argument,
        argument,
      );
  });
});

test('what only the meta protocol can do is unsupported elsewhere, at the call', async () => {
  await using server = await startServer();
  await using binary = await connect(server.url, { protocol: 'binary' });
  await using embedded = await connect('embedded:');
  await using meta = await connect(server.url, { protocol: 'meta' });
  const { staleWhileRevalidate, recordDetails } = meta.capabilities;
  assert.deepEqual([staleWhileRevalidate, recordDetails], [true, true]);
  for (const db of [binary, embedded]) {
    assert.deepEqual([db.capabilities.staleWhileRevalidate, db.capabilities.recordDetails], [false, false]);
    assert.throws(() => db.getOrLoad('k', never, FRESH), UnsupportedError);
    assert.throws(() => db.getDetails('k'), UnsupportedError);
    assert.throws(() => db.invalidate('k'), UnsupportedError);
    assert.throws(() => db.enter().invalidate('k'), UnsupportedError);
  }
});
