import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import diagnostics, { type TracingChannelSubscribers } from 'node:diagnostics_channel';
import { after, before, describe, test } from 'node:test';
import {
  type ConnectedMessage,
  connect,
  type DisconnectedMessage,
  defineClass,
  EventBase,
  field,
  type OperationTrace,
  type TopologyMessage,
} from 'evenkeel';
import { onBothBases, startPair, until } from './harness.mts';

const operations = diagnostics.tracingChannel<unknown, Told>('evenkeel:operation');

type Told = OperationTrace & { readonly result?: unknown; readonly error?: unknown };
type Kind = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error';

/** Notes what the tracing channel tells: the events of each operation, in order. */
class Notes implements Disposable {
  readonly kinds = new Map<Told, Kind[]>();
  readonly #subscribers: TracingChannelSubscribers<Told>;

  constructor() {
    const note =
      (kind: Kind) =>
      (trace: Told): void => {
        this.kinds.set(trace, [...(this.kinds.get(trace) ?? []), kind]);
      };
    this.#subscribers = {
      start: note('start'),
      end: note('end'),
      asyncStart: note('asyncStart'),
      asyncEnd: note('asyncEnd'),
      error: note('error'),
    };
    operations.subscribe(this.#subscribers);
  }

  get traces(): Told[] {
    return [...this.kinds.keys()];
  }

  get last(): Told {
    const trace = this.traces.at(-1);
    assert.ok(trace);
    return trace;
  }

  [Symbol.dispose](): void {
    operations.unsubscribe(this.#subscribers);
  }
}

const WELL: Kind[] = ['start', 'end', 'asyncStart', 'asyncEnd'];
const FAILED: Kind[] = ['start', 'end', 'error', 'asyncStart', 'asyncEnd'];

/** Subscribes to a plain channel until it is disposed of. */
function noted<T>(name: string): Disposable & { readonly messages: T[] } {
  const messages: T[] = [];
  const note = (message: unknown): void => void messages.push(message as T);
  diagnostics.subscribe(name, note);
  return { messages, [Symbol.dispose]: () => void diagnostics.unsubscribe(name, note) };
}

onBothBases('the channel evenkeel:operation', (bases) => {
  test('tells of an operation from its call to its result, before the caller hears of it', async () => {
    await using pair = await startPair(bases);
    await pair.db.upsert('k', 1);
    using notes = new Notes();
    const promise = pair.db.get('k');
    assert.deepEqual([...notes.kinds.values()], [['start', 'end']]);
    const { node, attempts, hits, ...known } = notes.last;
    assert.deepEqual(known, { op: 'get', engine: 'memcached', key: 'k', size: 1, class: undefined });
    assert.deepEqual([node, attempts, hits], [undefined, 0, undefined]);
    await promise.then(() => assert.deepEqual(notes.kinds.get(notes.last), WELL));
    const told = notes.last;
    assert.deepEqual([told.node, told.attempts, told.hits], [`127.0.0.1:${pair.server.port}`, 1, 1]);
    assert.equal(told.result, 1);
  });

  test('tells hits from misses, of each operation that can miss', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    await db.upsert('there', 1);
    await db.increment('counter', { initial: 1n });
    using notes = new Notes();
    for (const key of ['there', 'missing']) {
      await db.get(key);
      await db.getRecord(key);
      await db.exists(key);
      await db.touch(key, { ttl: 10 });
      await db.getAndTouch(key, { ttl: 10 });
      await db.remove(key);
    }
    await db.increment('counter');
    await db.increment('missing');
    await db.upsert('there', 1);
    const hits = notes.traces.map((each) => each.hits);
    assert.deepEqual(hits, [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, undefined]);
  });

  test('tells of a getMany as one operation of many keys', async () => {
    await using pair = await startPair(bases);
    await pair.db.upsert('a', 1);
    using notes = new Notes();
    await pair.db.getMany(['a', 'b', 'c']);
    assert.equal(notes.traces.length, 1);
    const { op, key, size, hits } = notes.last;
    assert.deepEqual({ op, key, size, hits }, { op: 'getMany', key: ['a', 'b', 'c'], size: 3, hits: 1 });
    assert.deepEqual(notes.kinds.get(notes.last), WELL);
  });

  test('tells of errors: of answers, of time-outs, and of what the call throws', async () => {
    await using pair = await startPair(bases);
    const { db, server } = pair;
    await db.upsert('k', 1);
    using notes = new Notes();
    await assert.rejects(db.insert('k', 2), (error) => error === notes.last.error);
    assert.deepEqual(notes.kinds.get(notes.last), FAILED);
    assert.equal(notes.last.node, `127.0.0.1:${server.port}`);
    await server.pause();
    await assert.rejects(db.get('k', { timeout: 1 }), { code: 'EVENKEEL_TIMEOUT' });
    assert.deepEqual(notes.kinds.get(notes.last), FAILED);
    assert.equal(notes.last.attempts, 1);
    assert.throws(() => void db.get(''), { code: 'EVENKEEL_INVALID_ARGUMENT' });
    assert.deepEqual(notes.kinds.get(notes.last), ['start', 'error', 'end']);
  });

  test('tells of each call that throws, whatever it throws for, and counts it', async () => {
    await using pair = await startPair(bases);
    const { db } = pair;
    using notes = new Notes();
    const bad = Symbol('bad');
    const ended = db.enter();
    ended.fail();
    const calls: readonly [op: string, code: string, call: () => unknown][] = [
      ['get', 'INVALID_ARGUMENT', () => db.get(1 as unknown as string)],
      ['get', 'INVALID_ARGUMENT', () => db.get('k', { timeout: -1 })],
      ['getDetails', 'UNSUPPORTED', () => db.getDetails('k')],
      ['getMany', 'INVALID_ARGUMENT', () => db.getMany(1 as unknown as string[])],
      ['getMany', 'INVALID_ARGUMENT', () => db.getMany(['k', ''])],
      ['upsert', 'INVALID_ARGUMENT', () => db.upsert('k', bad)],
      ['upsert', 'INVALID_ARGUMENT', () => db.upsert('k', 1, { ttl: -1 })],
      ['remove', 'INVALID_ARGUMENT', () => db.remove('k', { cas: -1n })],
      ['invalidate', 'UNSUPPORTED', () => db.invalidate('k')],
      ['touch', 'INVALID_ARGUMENT', () => db.touch('k', {})],
      ['increment', 'INVALID_ARGUMENT', () => db.increment('k', { delta: -1n })],
      ['append', 'INVALID_ARGUMENT', () => db.append('k', 1 as unknown as string)],
      ['getOrLoad', 'UNSUPPORTED', () => db.getOrLoad('k', () => 1, { ttl: 1 })],
      ['serverStats', 'INVALID_ARGUMENT', () => db.serverStats({ group: ' ' })],
      ['flushAll', 'INVALID_ARGUMENT', () => db.flushAll({ delay: -1 })],
      ['get', 'INVALID_ARGUMENT', () => db.enter().get('')],
      ['upsert', 'INVALID_ARGUMENT', () => db.enter().upsert('k', bad)],
      ['getMany', 'CLOSED', () => ended.getMany(['k'])],
    ];
    for (const [i, [op, code, call]] of calls.entries()) {
      assert.throws(call, { code: `EVENKEEL_${code}` });
      assert.equal(notes.traces.length, i + 1);
      const { last } = notes;
      assert.deepEqual(notes.kinds.get(last), ['start', 'error', 'end'], op);
      assert.deepEqual([last.op, (last.error as { code: string }).code], [op, `EVENKEEL_${code}`]);
    }
    const counts: Record<string, number> = {};
    for (const [op] of calls) counts[op] = (counts[op] ?? 0) + 1;
    assert.deepEqual({ ...db.stats().calls }, counts);
  });

  test('tells of what servers are asked themselves, and of the server where it is one', async () => {
    await using pair = await startPair(bases);
    const { db, server } = pair;
    using notes = new Notes();
    await db.serverStats();
    await db.serverVersions({ server: `127.0.0.1:${server.port}` });
    db.setServers([`127.0.0.1:${server.port}`, '127.0.0.1:1']);
    await db.flushAll({ timeout: 100 });
    const told = notes.traces.map(({ op, key, node, size }) => ({ op, key, node, size }));
    const node = `127.0.0.1:${server.port}`;
    assert.deepEqual(told, [
      { op: 'serverStats', key: undefined, node, size: 1 },
      { op: 'serverVersions', key: undefined, node, size: 1 },
      { op: 'flushAll', key: undefined, node: undefined, size: 1 },
    ]);
    assert.deepEqual([...notes.kinds.values()], [WELL, WELL, WELL]);
    assert.deepEqual({ ...db.stats().calls }, { serverStats: 1, serverVersions: 1, flushAll: 1 });
  });

  test('tells of the end to whoever is still there, and to nobody else', async () => {
    await using pair = await startPair(bases);
    using stays = new Notes();
    const leaves = new Notes();
    const leavesAtTheEnd = new Notes();
    operations.asyncEnd.subscribe(function leave() {
      operations.asyncEnd.unsubscribe(leave);
      leavesAtTheEnd[Symbol.dispose]();
    });
    using staysToo = new Notes();
    const promise = pair.db.get('k');
    leaves[Symbol.dispose]();
    using comes = new Notes();
    await promise;
    assert.deepEqual([...leaves.kinds.values()], [['start', 'end']]);
    for (const notes of [stays, staysToo]) assert.deepEqual([...notes.kinds.values()], [WELL]);
    // It began before, so that its beginning is not known.
    assert.deepEqual([...comes.kinds.values()], [['asyncStart', 'asyncEnd']]);
  });

  test('tells of what is staged in a context from its call on', async () => {
    await using pair = await startPair(bases);
    using notes = new Notes();
    const ctx = pair.db.enter();
    const promise = ctx.get('k');
    assert.deepEqual([...notes.kinds.values()], [['start', 'end']]);
    ctx.leave();
    await promise;
    assert.deepEqual(notes.kinds.get(notes.last), WELL);
  });

  test('may end the context of the operation that it tells of', async () => {
    await using pair = await startPair(bases);
    const ctx = pair.db.enter();
    const leave = (): void => ctx.leave();
    operations.start.subscribe(leave);
    await assert.rejects(ctx.get('k'), { code: 'EVENKEEL_CLOSED' });
    operations.start.unsubscribe(leave);
  });

  test('has nothing to do with operations that began before there was a subscriber, or after', async () => {
    await using pair = await startPair(bases);
    const before = pair.db.get('before');
    {
      using notes = new Notes();
      await before;
      await pair.db.get('meanwhile');
      assert.deepEqual(
        notes.traces.map(({ key }) => key),
        ['meanwhile'],
      );
      assert.deepEqual(notes.kinds.get(notes.last), WELL);
    }
    const notes = new Notes();
    notes[Symbol.dispose]();
    await pair.db.get('after');
    assert.deepEqual(notes.traces, []);
  });

  test('binds stores: what is in one for the start of an operation is there at its end', async () => {
    await using pair = await startPair(bases);
    const storage = new AsyncLocalStorage<string>();
    const ends: (string | undefined)[] = [];
    const subscriber = (): void => void ends.push(storage.getStore());
    operations.start.bindStore(storage, (trace) => `of ${(trace as Told).key}`);
    operations.asyncEnd.subscribe(subscriber);
    await storage.run('outside', async () => {
      await Promise.all([pair.db.get('a'), pair.db.get('b')]);
      assert.equal(storage.getStore(), 'outside');
    });
    operations.start.unbindStore(storage);
    operations.asyncEnd.unsubscribe(subscriber);
    assert.deepEqual(ends.sort(), ['of a', 'of b']);
  });
});

/** What a program prints, in a process of its own. */
function run(program: string): string {
  const whole = `
    import { strict as assert } from 'node:assert';
    import { subscribe } from 'node:diagnostics_channel';
    import { connect } from 'evenkeel';
    import { startServer } from 'evenkeel/testing';
    ${program}`;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', whole], { encoding: 'utf8' });
}

test('a subscriber that throws is uncaught in a later tick, and the operation is as it was', () => {
  const output = run(`
    const fail = (when) => () => { throw new Error(when); };
    const uncaught = [];
    process.on('uncaughtException', (error) => uncaught.push(error.message));
    for (const event of ['start', 'end', 'asyncEnd']) subscribe('tracing:evenkeel:operation:' + event, fail(event));
    for (const name of ['connected', 'disconnected', 'topology']) subscribe('evenkeel:' + name, fail(name));
    const server = await startServer();
    const db = await connect(server.url);
    await db.upsert('k', 'v');
    assert.equal(await db.get('k'), 'v');
    assert.throws(() => db.get(''), { code: 'EVENKEEL_INVALID_ARGUMENT' });
    await server.close();
    while (!uncaught.includes('disconnected')) await new Promise(setImmediate);
    await db.close();
    process.stdout.write([...new Set(uncaught)].sort().join());`);
  assert.equal(output, 'asyncEnd,connected,disconnected,end,start,topology');
});

onBothBases('the channels of connections', (bases) => {
  test('tell of connections that are there, that have ended, that cannot be had, and of the topology', async () => {
    using connected = noted<ConnectedMessage>('evenkeel:connected');
    using disconnected = noted<DisconnectedMessage>('evenkeel:disconnected');
    using failed = noted<DisconnectedMessage>('evenkeel:connectError');
    using topologies = noted<TopologyMessage>('evenkeel:topology');
    await using pair = await startPair(bases, { backoff: { min: 1, max: 10 } });
    const node = `127.0.0.1:${pair.server.port}`;
    assert.deepEqual(connected.messages, [{ engine: 'memcached', node, version: await pair.db.version() }]);
    await pair.server.close();
    await until(() => failed.messages.length > 0);
    assert.equal(disconnected.messages.length, 1);
    for (const { messages } of [disconnected, failed]) {
      assert.equal(messages[0]?.node, node);
      assert.ok(messages[0]?.error instanceof Error);
    }
    await until(() => topologies.messages.length === 2);
    const states = topologies.messages.map(({ topology }) => topology.nodes.map(({ state }) => state));
    assert.deepEqual(states, [['connected'], ['disconnected']]);
  });

  test('tell of a name that stands for nothing', async () => {
    using failed = noted<DisconnectedMessage>('evenkeel:connectError');
    await assert.rejects(bases.connect('memcached://name.invalid:11211'), { code: 'EVENKEEL_CONNECTION' });
    assert.equal(failed.messages[0]?.node, 'name.invalid:11211');
  });
});

describe('on the embedded engine', () => {
  const Item = defineClass('Item', { key: 'id', fields: { id: field.uint32(), name: field.string() } });
  const open = () => connect('embedded:', { classes: [Item], eventBase: base });
  let base: EventBase;
  before(() => {
    base = EventBase.create();
  });
  after(() => base.close());

  test('operations on plain keys are told as everywhere', async () => {
    await using db = await open();
    using notes = new Notes();
    await db.upsert('k', 'v');
    await db.get('k');
    await db.getMany(['k', 'missing']);
    await assert.rejects(db.insert('k', 'v'), { code: 'EVENKEEL_KEY_EXISTS' });
    const told = notes.traces.map(({ op, engine, hits, node }) => ({ op, engine, hits, node }));
    assert.deepEqual(told, [
      { op: 'upsert', engine: 'embedded', hits: undefined, node: undefined },
      { op: 'get', engine: 'embedded', hits: 1, node: undefined },
      { op: 'getMany', engine: 'embedded', hits: 1, node: undefined },
      { op: 'insert', engine: 'embedded', hits: undefined, node: undefined },
    ]);
    assert.deepEqual([...notes.kinds.values()], [WELL, WELL, WELL, FAILED]);
  });

  test('operations on records name their class, a transaction is one operation', async () => {
    await using db = await open();
    using notes = new Notes();
    const items = db.records(Item);
    await items.insert({ id: 1, name: 'a' });
    await items.get(2);
    await items.find().all();
    await db.transaction((tx) => tx.records(Item).update(1, { name: 'b' }));
    await (await db.prepare((tx) => tx.upsert('k', 'v'))).commit();
    const told = notes.traces.map(({ op, key, class: name, hits }) => [op, key, name, hits]);
    assert.deepEqual(told, [
      ['insert', undefined, 'Item', undefined],
      ['get', 2, 'Item', 0],
      ['find', undefined, 'Item', undefined],
      ['transaction', undefined, undefined, undefined],
      ['prepare', undefined, undefined, undefined],
    ]);
  });
});

test('an operation that nobody waits for and that fails is unhandled with a subscriber as without', () => {
  const output = run(`
    subscribe('tracing:evenkeel:operation:error', () => {});
    const unhandled = [];
    process.on('unhandledRejection', (error) => unhandled.push(error.code));
    const server = await startServer();
    const db = await connect(server.url);
    await db.upsert('k', 1);
    db.insert('k', 2);
    while (unhandled.length === 0) await new Promise(setImmediate);
    const ctx = db.enter();
    ctx.get('k');
    ctx.fail();
    await db.get('k');
    await new Promise(setImmediate);
    await db.close();
    await server.close();
    process.stdout.write(unhandled.join());`);
  assert.equal(output, 'EVENKEEL_KEY_EXISTS');
});
