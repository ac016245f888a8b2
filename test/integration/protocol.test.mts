import assert from 'node:assert/strict';
import { tracingChannel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer } from 'node:net';
import { test } from 'node:test';
import {
  AuthenticationError,
  ConnectionError,
  type ConnectOptions,
  connect,
  type Database,
  EventBase,
  InvalidArgumentError,
  type OperationTrace,
  TimeoutError,
  UnsupportedError,
} from '../../lib/index.ts';
import { type ServerAge, startServer, type TestServer } from '../../lib/testing/index.ts';
import { startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import { onBothBases, until } from './harness.mts';

const AUTO = { protocol: 'auto' } as const;
const LAZY = { ...AUTO, lazy: true } as const;
/** What fails is not tried again in the same way while the test runs, however slow the machine is. */
const ONCE = { ...AUTO, backoff: { min: 600_000, max: 600_000 } } as const;
const QUICK: ConnectOptions = { backoff: { min: 1, max: 5 } };

const OLD: ServerAge = { version: '1.5.22', protocols: ['binary', 'text'] };
const NEW: ServerAge = { version: '1.6.18', protocols: ['binary', 'text', 'meta'] };

/** What a database finds of a server, and how often it has to connect. */
const KINDS: readonly (readonly [what: string, age: ServerAge, isMeta: boolean, connections: number])[] = [
  ['a new one', NEW, true, 1],
  ['one of text alone', { protocols: ['text', 'meta'] }, true, 1],
  ['one from before the meta protocol', OLD, false, 2],
  ['one of which misses have no opaque', { version: '1.6.17' }, false, 2],
  ['one that says no version', { version: 'proxy' }, false, 2],
  ['one of the binary protocol alone', { protocols: ['binary'] }, false, 4],
];

const nameOf = ({ port }: TestServer): string => `127.0.0.1:${port}`;
const urlOf = (servers: readonly TestServer[]): string => `memcached://${servers.map(nameOf).join(',')}`;
const accepted = async (server: TestServer): Promise<number> =>
  Number((await server.stats()).total_connections);

/** Resolves to a key for each server, in their order. */
async function keysOf(db: Database, servers: readonly TestServer[]): Promise<string[]> {
  const keys = new Map<string, string>();
  for (let i = 0; keys.size < servers.length; i += 1) {
    const before = await Promise.all(servers.map(async (each) => Number((await each.stats()).cmd_set)));
    await db.upsert(`of:${i}`, i);
    const after = await Promise.all(servers.map(async (each) => Number((await each.stats()).cmd_set)));
    const index = after.findIndex((sets, at) => sets !== before[at]);
    keys.set(nameOf(servers[index] as TestServer), `of:${i}`);
  }
  return servers.map((server) => keys.get(nameOf(server)) as string);
}

onBothBases('a client that finds out what its servers speak', (bases) => {
  for (const [what, age, isMeta, connections] of KINDS)
    test(`speaks ${isMeta ? 'the meta' : 'the binary'} protocol to ${what}`, async () => {
      await using server = await startServer(age);
      await using db = await bases.connect(server.url, ONCE);
      assert.equal(db.capabilities.recordDetails, isMeta);
      assert.equal(db.capabilities.staleWhileRevalidate, isMeta);
      await db.upsert('k', 'v');
      assert.equal(await db.get('k'), 'v');
      assert.equal(await accepted(server), connections);
      if (isMeta) {
        assert.equal((await db.getDetails('k'))?.value, 'v');
        assert.equal(await db.getOrLoad('loaded', () => 'x', { ttl: 60 }), 'x');
        await db.upsert('a key\n', 'v');
        assert.equal(await db.get('a key\n'), 'v');
        return;
      }
      const isRefused = (error: unknown): boolean =>
        error instanceof UnsupportedError &&
        error.context.node === nameOf(server) &&
        error.message.includes(`${nameOf(server)} (${age.version ?? '1.6.18-evenkeel'})`) &&
        /only the meta protocol has it/.test(error.message);
      assert.throws(() => db.getDetails('k'), isRefused);
      assert.throws(() => db.invalidate('k'), isRefused);
      assert.throws(() => db.getOrLoad('k', () => 1, { ttl: 60 }), isRefused);
      const ctx = db.enter();
      const staged = ctx.getDetails('k');
      const other = ctx.get('k');
      ctx.leave();
      await assert.rejects(staged, isRefused);
      assert.equal(await other, 'v');
      assert.throws(() => db.get('a key'), InvalidArgumentError);
    });

  for (const [what, age, isMeta] of KINDS)
    test(`has operations wait until it knows, of ${what}`, async () => {
      await using server = await startServer(age);
      await using db = await bases.connect(server.url, LAZY);
      const bytes = Buffer.from('one');
      const large = Buffer.alloc(100_000, 'l');
      const operations = [
        db.upsert('k', bytes),
        db.append('k', Buffer.from(', two')),
        db.append('k', ', three'),
        db.get('k'),
        db.upsert('large', large),
        db.get('large'),
        db.increment('counter', { initial: 7n }),
        db.getMany(['k', 'nothing']),
        db.schedule((ctx) => [ctx.upsert('k', 'four'), ctx.get('k')]),
      ];
      bytes.fill('x'); // the call has returned
      const details = db.getDetails('k').catch((error: unknown) => error);
      const [, , , value, , largeRead, counter, many, scheduled] = await Promise.all(operations);
      assert.deepEqual(value, Buffer.from('one, two, three'));
      assert.deepEqual(largeRead, large);
      assert.equal(counter, 7n);
      assert.deepEqual(many, new Map([['k', Buffer.from('one, two, three')]]));
      assert.equal((scheduled as unknown[])[1], 'four');
      if (isMeta) assert.equal(((await details) as { value: unknown }).value, 'four');
      else assert.ok((await details) instanceof UnsupportedError);
    });

  test('writes nothing before a flush() of the user, whatever it has found', async () => {
    await using server = await startServer({ ...OLD, record: true });
    await using db = await bases.connect(server.url, { ...LAZY, implicitFlush: false });
    const flushed = db.upsert('a', 1);
    db.flush();
    const waiting = db.upsert('b', 2);
    await flushed;
    await server.waitForConnections(1);
    const keys = async (): Promise<string[]> =>
      (await server.commands()).map(({ key }) => key.toString()).filter((key) => key !== '');
    assert.deepEqual(await keys(), ['a']);
    db.flush();
    await waiting;
    assert.deepEqual(await keys(), ['a', 'b']);
  });

  test('settles what waits by its deadline, its signal, or the end of the database', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const db = await bases.connect(`memcached://127.0.0.1:${port}`, {
      ...LAZY,
      connectTimeout: 40,
      ...QUICK,
    });
    const controller = new AbortController();
    const late = db.upsert('a', Buffer.from('x'), { timeout: 100 });
    const aborted = db.get('b', { signal: controller.signal });
    const closed = db.upsert('c', 'x');
    await assert.rejects(late, TimeoutError);
    controller.abort();
    await assert.rejects(aborted, { name: 'AbortError' });
    const ended = assert.rejects(closed, { code: 'EVENKEEL_CLOSED' });
    await db.close({ timeout: 1 });
    await ended;
    silent.close();
  });

  test('sends what waits while it is closed', async () => {
    await using server = await startServer(OLD);
    const db = await bases.connect(server.url, LAZY);
    const written = db.upsert('k', Buffer.from('v'));
    await db.close();
    await written;
    await using other = await bases.connect(server.url);
    assert.deepEqual(await other.get('k'), Buffer.from('v'));
  });

  test('speaks to each server of a fleet as that wants it, and its other bases begin so', async () => {
    await using first = await startServer(NEW);
    await using second = await startServer(OLD);
    await using third = await startServer({ version: '1.4.5', protocols: ['binary'] });
    const servers = [first, second, third];
    await using db = await bases.connect(urlOf(servers), ONCE);
    assert.equal(db.capabilities.recordDetails, false);
    const [a = '', b = '', c = ''] = await keysOf(db, servers);
    assert.ok(await db.getDetails(a));
    for (const [key, server] of [
      [b, second],
      [c, third],
    ] as const)
      assert.throws(() => db.getDetails(key), {
        code: 'EVENKEEL_UNSUPPORTED',
        context: { op: 'getDetails', key, node: nameOf(server) },
      });
    const values = await db.getMany([a, b, c]);
    assert.equal(values.size, 3);
    const connected = await Promise.all(servers.map(accepted));
    assert.deepEqual(connected, [1, 2, 2]);
    const base = EventBase.create();
    assert.deepEqual(await db.via(base).getMany([a, b, c]), values);
    assert.deepEqual(await Promise.all(servers.map(accepted)), [2, 3, 3]);
    await base.close();
  });

  test('does not fail the operations of a fleet for a server that it has not spoken to yet', async () => {
    await using first = await startServer(OLD);
    await using second = await startServer({ protocols: ['binary'] });
    await using db = await bases.connect(urlOf([first, second]), LAZY);
    await Promise.all(Array.from({ length: 50 }, (_, i) => db.upsert(`k:${i}`, i)));
    db.setServers([nameOf(second)]);
    await using third = await startServer(OLD);
    db.setServers([nameOf(second), nameOf(third)]);
    await Promise.all(Array.from({ length: 50 }, (_, i) => db.upsert(`k:${i}`, i)));
    assert.ok(Number((await third.stats()).cmd_set) > 0);
  });

  for (const [what, isByName, isNamedAgain] of [
    ['', false, false],
    [', whose name was not looked up yet', true, false],
    [', and is named again', false, true],
  ] as const)
    test(`has a server answer what waits for it when it is taken out before its protocol is known${what}`, async () => {
      await using first = await startServer(OLD);
      await using second = await startServer(NEW);
      const url = isByName ? `memcached://localhost:${first.port}` : first.url;
      await using db = await bases.connect(url, { ...LAZY, timeout: 30_000 });
      const bytes = Buffer.from('one');
      const waiting = [
        db.upsert('k', bytes),
        db.append('k', ', two'),
        db.get('k'),
        db.increment('n', { initial: 7n }),
        db.schedule((ctx) => [ctx.upsert('s', 'staged')]),
        db.serverVersions(),
      ] as const;
      bytes.fill('x');
      db.setServers([nameOf(second)]);
      const later = db.upsert('k', 'later');
      if (isNamedAgain) {
        db.setServers([nameOf(first)]);
        db.setServers([nameOf(second), nameOf(first)]);
      }
      const [, , value, counter, , versions] = await Promise.all(waiting);
      assert.deepEqual(value, Buffer.from('one, two'));
      assert.equal(counter, 7n);
      assert.deepEqual([...versions.values.values()], [OLD.version]);
      await later;
      await using left = await bases.connect(first.url);
      assert.deepEqual(await left.get('k'), Buffer.from('one, two'));
      await using other = await bases.connect(second.url);
      assert.equal(await other.get('k'), 'later', 'what came back is not written over it');
    });

  test('counts no attempt for what came back unsent', async () => {
    await using server = await startServer(OLD);
    const attempts: number[] = [];
    const channel = tracingChannel('evenkeel:operation');
    const subscriber = { asyncEnd: (trace: object) => attempts.push((trace as OperationTrace).attempts) };
    channel.subscribe(subscriber as never);
    try {
      await using db = await bases.connect(server.url, LAZY);
      await Promise.all([db.upsert('k', Buffer.from('v')), db.append('k', 'v'), db.get('k')]);
    } finally {
      channel.unsubscribe(subscriber as never);
    }
    assert.deepEqual(attempts, [1, 1, 1]);
  });

  test('leaves a server that is taken out with nothing that waits for it', async () => {
    await using first = await startServer(OLD);
    await using second = await startServer(NEW);
    await using db = await bases.connect(urlOf([first]), { ...LAZY, ...QUICK });
    const given = new AbortController();
    const waiting = db.get('k', { signal: given.signal });
    db.setServers([nameOf(second)]);
    given.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    await db.upsert('k', 'v');
    await until(async () => Number((await first.stats()).curr_connections) === 0);
  });

  test('waits for a flush() of the user with what waits for a server that is gone', async () => {
    await using first = await startServer(OLD);
    await using second = await startServer(NEW);
    await using db = await bases.connect(first.url, { ...LAZY, implicitFlush: false, timeout: 30_000 });
    const flushed = db.upsert('a', 1);
    db.flush();
    const waiting = db.upsert('b', 2);
    db.setServers([nameOf(second)]);
    await flushed;
    await using other = await bases.connect(first.url);
    assert.equal(await other.get('b'), undefined);
    db.flush();
    await waiting;
    assert.equal(await other.get('b'), 2);
  });

  test('notices a server that has become newer, and one that has become older', async () => {
    await using server = await startServer(OLD);
    await using db = await bases.connect(server.url, { ...AUTO, ...QUICK });
    await db.upsert('k', 1);
    assert.throws(() => db.getDetails('k'), UnsupportedError);
    const write = (value: number): Promise<void> =>
      until(async () => (await db.upsert('k', value).catch(() => undefined)) !== undefined);
    await server.restart(NEW);
    await until(() => db.capabilities.recordDetails);
    await write(2);
    assert.equal((await db.getDetails('k'))?.value, 2);
    await server.restart(OLD);
    await write(3);
    assert.equal(await db.get('k'), 3);
    assert.throws(() => db.getDetails('k'), UnsupportedError);
    assert.equal(db.capabilities.recordDetails, false);
    await server.restart(NEW);
    await until(() => db.capabilities.recordDetails);
    await write(4);
    assert.equal((await db.getDetails('k'))?.value, 4);
  });

  for (const kind of ['reset', 'silent'] as const)
    test(`speaks the meta protocol to a new one that begins with a connection that is ${kind}`, async () => {
      await using server = await startServer(NEW);
      await server.fault({ on: 'connect', times: 1, action: { kind } });
      await using db = await bases.connect(server.url, { ...LAZY, connectTimeout: 2000 });
      await until(() => db.capabilities.recordDetails);
      assert.equal(await db.getOrLoad('k', () => 'x', { ttl: 60 }), 'x');
    });

  for (const [what, age] of [
    ['an old one', OLD],
    ['a new one', NEW],
  ] as const)
    test(`keeps the order of a key before ${what} has answered, whatever it can say`, async () => {
      await using server = await startServer(age);
      await server.fault({ on: 'connect', times: 1, action: { kind: 'reset' } });
      await using db = await bases.connect(server.url, { ...LAZY, ...QUICK, connectionsPerNode: 2 });
      const keys = Array.from({ length: 20 }, (_, index) => `k:${index}`);
      const details = keys.map(async (key) => {
        const written = [db.upsert(key, 'first'), db.upsert(`${key} spaced`, Buffer.from(key))];
        const detail = db.getDetails(key).then(
          (record) => record?.value,
          (error: unknown) => error,
        );
        const others = [db.append(key, ', second'), db.get(key), db.get(`${key} spaced`)];
        const settled = await Promise.allSettled([...written, ...others]);
        return [
          await detail,
          ...settled.map((each) => (each.status === 'rejected' ? each.reason : each.value)),
        ];
      });
      for (const [index, found] of (await Promise.all(details)).entries()) {
        const [detail, , spaced, , whole, spacedRead] = found;
        assert.equal(whole, 'first, second');
        if (age === NEW) {
          assert.equal(detail, 'first');
          assert.deepEqual(spacedRead, Buffer.from(`k:${index}`));
        } else {
          assert.ok(detail instanceof UnsupportedError);
          assert.ok(spaced instanceof InvalidArgumentError && spacedRead instanceof InvalidArgumentError);
        }
      }
    });

  test('connects in time to one that is silent in the meta protocol, however new it says it is', async () => {
    await using server = await startServer(NEW);
    const half = createServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', (bytes) => {
          if (bytes[0] !== 0x80) return;
          const upstream = connectSocket(server.port, '127.0.0.1').on('error', () => {});
          upstream.write(bytes);
          socket.pipe(upstream).pipe(socket);
        });
    }).listen(0, '127.0.0.1');
    await once(half, 'listening');
    const { port } = half.address() as AddressInfo;
    const options = { ...AUTO, connectTimeout: 900 };
    let db: Database | undefined;
    await until(async () => {
      db = await bases.connect(`memcached://127.0.0.1:${port}`, options).catch(() => undefined);
      return db !== undefined;
    });
    await db?.upsert('k', 1);
    await db?.close();
    half.close();
  });

  test('refuses nothing for good before the server has answered', async () => {
    await using server = await startServer(NEW);
    const fault = await server.fault({ on: 'connect', action: { kind: 'reset' } });
    await using db = await bases.connect(server.url, { ...LAZY, ...QUICK });
    const plain = db.get('k');
    const waiting: Promise<unknown>[] = [];
    for (let i = 0; i < 10; i += 1) {
      const ctx = db.enter();
      waiting.push(
        db.getOrLoad(`l:${i}`, () => i, { ttl: 60 }),
        db.getDetails(`l:${i}`),
        db.get('a key'),
        ctx.get('another key'),
        db.getMany(['a key']),
      );
      ctx.leave();
      await assert.rejects(db.invalidate('k', { timeout: 20 }), TimeoutError);
      await assert.rejects(db.upsert('a key', 'v', { timeout: 20 }), TimeoutError);
    }
    await fault.remove();
    assert.equal(await plain, undefined);
    const values = await Promise.all(waiting);
    assert.deepEqual(
      values.filter((_, index) => index % 5 === 0),
      Array.from({ length: 10 }, (_, index) => index),
    );
  });

  test('tells what was answered in the first protocol when the second fails as well', async () => {
    const silent = createServer((socket) => {
      const answer = (bytes: Buffer): unknown =>
        bytes[0] !== 0x80 && socket.write("-ERR unknown command 'mn'\r\n");
      socket.on('error', () => {}).on('data', answer);
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    await assert.rejects(
      bases.connect(`memcached://127.0.0.1:${port}`, { ...AUTO, connectTimeout: 1500 }),
      // The attempt and the wait for it end at about the same time.
      /(?:no answer within 1500 ms|ETIMEDOUT).*; in the meta protocol .*it said "-ERR unknown command 'mn'/,
    );
    silent.close();
    const curt = createServer((socket) => {
      const answer = (bytes: Buffer): unknown =>
        bytes[0] === 0x80 ? socket.destroy() : socket.write("-ERR unknown command 'mn'\r\n");
      socket.on('error', () => {}).on('data', answer);
    }).listen(0, '127.0.0.1');
    await once(curt, 'listening');
    await assert.rejects(
      bases.connect(`memcached://127.0.0.1:${(curt.address() as AddressInfo).port}`, AUTO),
      /the server closed the connection; in the meta protocol .*it said "-ERR unknown command 'mn'/,
    );
    curt.close();
    await using old = await startServer({ version: '1.5.22', protocols: ['text'] });
    await assert.rejects(
      bases.connect(old.url, AUTO),
      /the server closed the connection; in the meta protocol .*it said "ERROR/,
    );
  });

  test('comes back in the meta protocol however long the server was away', async () => {
    await using server = await startServer(NEW);
    await using db = await bases.connect(server.url, { ...AUTO, ...QUICK });
    await db.upsert('k', 1);
    for (const attempts of [8, 10, 16, 20]) {
      const fault = await server.fault({ on: 'connect', times: attempts, action: { kind: 'reset' } });
      await server.disconnectAll();
      await fault.waitForHits(attempts);
      await until(async () => {
        try {
          return (await db.getDetails('k'))?.value === 1;
        } catch {
          return false; // it is not known yet that it is a new one
        }
      });
    }
  });

  test('settles everything once, in order, while its server becomes another again and again', async () => {
    await using server = await startServer(OLD);
    const options = { ...AUTO, ...QUICK, timeout: 30_000, connectionsPerNode: 3 };
    await using db = await bases.connect(server.url, options);
    let isOver = false;
    let written = 0;
    const writers = Array.from({ length: 20 }, async (_, index) => {
      for (let i = 0; !isOver; i += 1) {
        const key = `k:${index}`;
        const operations = [db.upsert(key, Buffer.from('before')), db.upsert(key, `${i}`), db.get(key)];
        const settled = await Promise.allSettled(operations);
        for (const each of settled)
          if (each.status === 'rejected') assert.ok(each.reason instanceof ConnectionError, `${each.reason}`);
        if (settled.some(({ status }) => status === 'rejected')) continue;
        written += 1;
        assert.equal((settled[2] as PromiseFulfilledResult<unknown>).value, `${i}`, 'in order');
      }
    });
    for (const age of [
      NEW,
      OLD,
      { protocols: ['binary'] },
      NEW,
      { protocols: ['text', 'meta'] },
      OLD,
    ] as const) {
      const before = written;
      await server.restart(age);
      await until(() => written > before + 100);
    }
    isOver = true;
    await Promise.all(writers);
  });

  test('gives a stranger up at once, and goes on trying in bounded numbers', async (t) => {
    let attempts = 0;
    const web = createServer((socket) => {
      attempts += 1;
      socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n');
    }).listen(0, '127.0.0.1');
    await once(web, 'listening');
    t.after(() => web.close());
    const { port } = web.address() as AddressInfo;
    const url = `memcached://127.0.0.1:${port}`;
    const seldom = { ...AUTO, backoff: { min: 600_000, max: 600_000 } };
    await assert.rejects(bases.connect(url, seldom), (error: unknown) => {
      assert.ok(error instanceof ConnectionError);
      assert.match(error.message, /the server does not speak the protocol; it said "HTTP/);
      return true;
    });
    assert.equal(attempts, 2);
    await using waiting = await bases.connect(url, { ...LAZY, ...QUICK });
    const late = ['x', Buffer.from('x')].map((value) => waiting.upsert('k', value, { timeout: 200 }));
    for (const each of late) await assert.rejects(each, TimeoutError);
    await waiting.close({ timeout: 1 });
    attempts = 2;
    await using db = await bases.connect(url, { ...LAZY, backoff: { min: 5, max: 5 } });
    const begin = performance.now();
    await until(() => attempts >= 16);
    assert.ok(performance.now() - begin > 15, 'it pauses in between');
    await db.close({ timeout: 1 });
  });

  test('does not take one that is full for another', async () => {
    await using server = await startServer({ maxConnections: 1 });
    const other = await bases.connect(server.url);
    await using db = await bases.connect(server.url, { ...LAZY, ...QUICK });
    const value = db.get('k');
    await until(() => db.topology.nodes[0]?.lastFault !== undefined);
    await other.close();
    await value;
    assert.equal(db.capabilities.recordDetails, true);
  });

  test('logs in by SASL, and by the text protocol where there is only that', async () => {
    const credentials = { username: 'ada', password: 'se:cret' };
    for (const [protocols, connections] of [
      [['binary', 'text', 'meta'], 1],
      [['binary'], 1],
      [['text', 'meta'], 2],
    ] as const) {
      await using server = await startServer({ credentials, protocols });
      await using db = await bases.connect(server.url, { ...AUTO, ...credentials, connectTimeout: 60_000 });
      await db.upsert('k', 'v');
      assert.equal(await db.get('k'), 'v');
      assert.equal(await accepted(server), connections);
      await assert.rejects(
        bases.connect(server.url, { ...AUTO, ...credentials, password: 'no' }),
        AuthenticationError,
      );
      await assert.rejects(bases.connect(server.url, AUTO), AuthenticationError);
    }
    const spaced = { username: 'ada', password: 'se cret' };
    await using server = await startServer({ credentials: spaced });
    await using db = await bases.connect(server.url, { ...AUTO, ...spaced });
    assert.equal(await db.get('k'), undefined);
    await using ofText = await startServer({ credentials: spaced, protocols: ['text', 'meta'] });
    await assert.rejects(
      bases.connect(ofText.url, { ...AUTO, ...spaced }),
      /password has a space or a line break, which the login of memcached's text protocols cannot carry/,
    );
  });
});

for (const [options, isMeta] of [
  [[], true],
  [['-B', 'binary'], false],
  [['-B', 'ascii'], true],
] as const)
  test(`a real memcached ${options.join(' ')} is spoken to in the ${isMeta ? 'meta' : 'binary'} protocol`, {
    skip: skipWithout('memcached', 'memcached'),
  }, async () => {
    await using server = await startMemcached({ options });
    await using db = await connect(`memcached://127.0.0.1:${server.port}`, AUTO);
    await db.upsert('k', 'v');
    assert.equal(await db.get('k'), 'v');
    assert.equal(db.capabilities.recordDetails, isMeta);
  });

test('protocol is one of three', async () => {
  for (const protocol of ['text', '', null, 1, 'toString'])
    await assert.rejects(
      connect('memcached://127.0.0.1:1', { protocol: protocol as 'auto' }),
      (error: unknown) => error instanceof InvalidArgumentError && error.context.argument === 'protocol',
    );
});
