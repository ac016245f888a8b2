import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServer } from '../../lib/cluster/connection-string.ts';
import { placeKeys, serverOf } from '../../lib/cluster/placement/placement.ts';
import {
  BackpressureError,
  type BaseView,
  ClosedError,
  ConnectionError,
  connect,
  InvalidArgumentError,
  UnsupportedError,
} from '../../lib/index.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';
import { until } from '../faults/harness.mts';
import { type Bases, onBothBases } from './harness.mts';

const KEYS = Array.from({ length: 60 }, (_, index) => `key:${index}`);
const nameOf = ({ port }: TestServer): string => `127.0.0.1:${port}`;
const urlOf = (servers: readonly TestServer[]): string => `memcached://${servers.map(nameOf).join(',')}`;

/** Servers on loopback, which end with the test. */
async function startServers(count: number): Promise<TestServer[] & AsyncDisposable> {
  const servers = await Promise.all(Array.from({ length: count }, () => startServer()));
  return Object.assign(servers, {
    [Symbol.asyncDispose]: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  });
}

/** Which of the servers a key belongs to. */
const ownerOf = (servers: readonly TestServer[]): ((key: string) => TestServer) => {
  const placement = placeKeys(
    'ketama',
    servers.map((server) => parseServer(nameOf(server), 'servers')),
  );
  return (key) => servers[serverOf(placement, key)] as TestServer;
};

/** A key of the server's. */
const keyOf = (server: TestServer, servers: readonly TestServer[]): string => {
  const key = KEYS.find((each) => ownerOf(servers)(each) === server);
  assert.ok(key !== undefined);
  return key;
};

/** The keys that a server has, by a client of its own. */
async function storedOn(server: TestServer, bases: Bases): Promise<string[]> {
  await using db = await bases.connect(server.url);
  return [...(await db.getMany(KEYS)).keys()];
}

const store = (db: BaseView): Promise<unknown> => Promise.all(KEYS.map((key) => db.upsert(key, key)));

const quick = { backoff: { min: 1, max: 5 } };

onBothBases('a fleet', (bases) => {
  test('has each key on the server that it belongs to, and finds it there', async () => {
    await using servers = await startServers(3);
    const db = await bases.connect(urlOf(servers));
    await store(db);
    assert.deepEqual(await db.getMany(KEYS), new Map(KEYS.map((key) => [key, key])));
    const owner = ownerOf(servers);
    for (const server of servers) {
      const own = KEYS.filter((key) => owner(key) === server);
      assert.ok(own.length > 0);
      assert.deepEqual(await storedOn(server, bases), own);
    }
    await db.close();
  });

  test('goes by weights and by another placement, where they are given', async () => {
    await using servers = await startServers(2);
    const [first, second] = servers as unknown as [TestServer, TestServer];
    const heavy = await bases.connect(urlOf(servers), { weights: { [nameOf(second)]: 20 } });
    await store(heavy);
    assert.ok((await storedOn(first, bases)).length < 15);
    await heavy.close();
    const modulo = await bases.connect(urlOf(servers), { placement: 'modula' });
    await store(modulo);
    const placement = placeKeys(
      'modula',
      servers.map((each) => parseServer(nameOf(each), 'servers')),
    );
    const wanted = KEYS.filter((key) => serverOf(placement, key) === 0);
    const found = await storedOn(first, bases);
    assert.deepEqual(
      wanted.filter((key) => !found.includes(key)),
      [],
    );
    await modulo.close();
  });

  test('errors name the server', async () => {
    await using servers = await startServers(3);
    const db = await bases.connect(urlOf(servers));
    for (const server of servers) {
      const key = keyOf(server, servers);
      await db.upsert(key, 'a');
      await assert.rejects(db.insert(key, 'b'), {
        context: { op: 'insert', key, node: nameOf(server), attempts: 1, status: 2 },
      });
    }
    await db.close();
  });

  test('goes on without a server that dies: its keys fail, the others do not notice', async () => {
    await using servers = await startServers(3);
    const [dying] = servers as unknown as [TestServer];
    const db = await bases.connect(urlOf(servers), quick);
    await dying.stop();
    const key = keyOf(dying, servers);
    await until(async () => {
      const error = await db.get(key).catch((reason: unknown) => reason);
      return error instanceof ConnectionError && /ECONNREFUSED/.test(error.message);
    }, 'an error that says what is the matter');
    const error: unknown = await db.get(key).catch((reason: unknown) => reason);
    assert.ok(error instanceof ConnectionError && error.retryable && !error.ambiguous);
    assert.equal(error.context.node, nameOf(dying));
    for (const other of servers.slice(1)) await db.upsert(keyOf(other, servers), 'well');
    assert.deepEqual(
      db.topology.nodes.map(({ name, state }) => [name, state]),
      servers.map((server) => [nameOf(server), server === dying ? 'disconnected' : 'connected']),
    );
    await dying.restart();
    await until(async () => (await db.get(key).catch(() => 'no')) !== 'no', 'its return');
    await db.close();
  });

  test('has of many keys those of the servers that are well, and errors that name the one that is not', async () => {
    await using servers = await startServers(3);
    const [dying] = servers as unknown as [TestServer];
    const db = await bases.connect(urlOf(servers), quick);
    await store(db);
    await dying.stop();
    const lost = KEYS.filter((key) => ownerOf(servers)(key) === dying);
    const { values, errors } = await db.getMany(KEYS, { partial: true });
    assert.deepEqual([...errors.keys()].sort(), [...lost].sort());
    for (const error of errors.values()) {
      assert.ok(error instanceof ConnectionError);
      assert.equal(error.context.node, nameOf(dying));
    }
    for (const key of KEYS) assert.equal(values.get(key), errors.has(key) ? undefined : key);
    await db.close();
  });

  test('gives the keys of a dead server to the others, if it is told to, and back again', async () => {
    await using servers = await startServers(3);
    const [dying, ...rest] = servers as unknown as [TestServer, TestServer, TestServer];
    const db = await bases.connect(urlOf(servers), { ...quick, deadServer: 'eject', ejectAfter: 2 });
    await dying.stop();
    const ejected = () => db.topology.nodes.filter(({ isEjected }) => isEjected).map(({ name }) => name);
    await until(() => ejected().length > 0, 'the ejection');
    assert.deepEqual(ejected(), [nameOf(dying)]);
    await store(db);
    const owner = ownerOf(rest);
    for (const server of rest)
      assert.deepEqual(
        await storedOn(server, bases),
        KEYS.filter((key) => owner(key) === server),
      );
    await dying.restart();
    await until(() => ejected().length === 0, 'the return');
    const key = keyOf(dying, servers);
    await db.upsert(key, 'back');
    assert.deepEqual(await storedOn(dying, bases), [key]);
    await db.close();
  });

  test('has several connections to each server, and is connected while there is one', async () => {
    await using servers = await startServers(2);
    const [first] = servers as unknown as [TestServer];
    const db = await bases.connect(urlOf(servers), { ...quick, connectionsPerNode: 3 });
    for (const server of servers) await server.waitForConnections(3);
    await store(db);
    assert.deepEqual(await db.getMany(KEYS), new Map(KEYS.map((key) => [key, key])));
    const states: string[] = [];
    db.onTopology(({ nodes }) => states.push(...nodes.map(({ state }) => state)));
    const key = keyOf(first, servers);
    const fault = await first.fault({ key, times: 1, action: { kind: 'close' } });
    await db.upsert(key, 'again').catch(() => {});
    await fault.remove();
    await until(async () => (await db.get(key).catch(() => undefined)) !== undefined, 'another connection');
    for (const server of servers) await server.waitForConnections(3);
    assert.ok(states.every((state) => state === 'connected'));
    await assert.rejects(db.insert(key, 1), ({ context }: ConnectionError) => context.node === nameOf(first));
    await first.stop();
    await until(() => db.topology.nodes[0]?.state === 'disconnected', 'the end of all of them');
    await db.close();
  });

  test('goes on at the full rate while one server says nothing, and that one has but its share', async () => {
    await using servers = await startServers(3);
    const [silent, ...well] = servers as unknown as [TestServer, TestServer, TestServer];
    const db = await bases.connect(urlOf(servers), {
      maxInFlight: 16,
      maxQueued: 112,
      silenceTimeout: 30_000,
      timeout: 30_000,
    });
    await silent.fault({ opcode: 'get', action: { kind: 'hang' } });
    const lost = keyOf(silent, servers);
    const waiting: Promise<unknown>[] = [];
    let refused: unknown;
    while (refused === undefined) {
      const get = db.get(lost);
      waiting.push(get.catch(() => {}));
      await Promise.race([get, Promise.resolve()]).catch((error: unknown) => (refused = error));
    }
    assert.ok(refused instanceof BackpressureError);
    assert.match(refused.message, /this server/);
    assert.ok(waiting.length > 60 && waiting.length < 70, String(waiting.length));
    const keys = well.map((server) => keyOf(server, servers));
    for (let round = 0; round < 50; round += 1)
      await Promise.all(keys.flatMap((key) => [db.upsert(key, round), db.get(key), db.get(key)]));
    const { values, errors } = await db.getMany([lost, ...keys], { partial: true });
    assert.deepEqual([...values.values()], [49, 49]);
    assert.ok(errors.get(lost) instanceof BackpressureError);
    // What belongs together is accepted together, while there is room for all of it.
    const ctx = db.enter();
    const staged = [ctx.get(lost).catch((error: unknown) => error), ctx.get(keys[0] as string)];
    ctx.leave();
    assert.equal(await staged[1], 49);
    await db.close({ timeout: 1 });
    assert.ok((await staged[0]) instanceof ClosedError);
    await Promise.all(waiting);
  });

  test('whose servers are all dead says so for each key', async () => {
    await using servers = await startServers(2);
    const db = await bases.connect(urlOf(servers), { ...quick, deadServer: 'eject', ejectAfter: 1 });
    for (const server of servers) await server.stop();
    for (const server of servers)
      await until(async () => {
        const error = await db.get(keyOf(server, servers)).catch((reason: unknown) => reason);
        return error instanceof ConnectionError && error.context.node === nameOf(server);
      }, 'the error');
    await db.close();
  });

  test('takes other servers, while operations are under way, each of which settles once', async () => {
    await using servers = await startServers(4);
    const [first, second, third, fourth] = servers as unknown as [
      TestServer,
      TestServer,
      TestServer,
      TestServer,
    ];
    const db = await bases.connect(urlOf([first, second]));
    let settled = 0;
    const started: Promise<unknown>[] = [];
    const go = (): void => {
      for (const key of KEYS) started.push(db.upsert(key, key).then(() => (settled += 1)));
    };
    for (const list of [
      [first, second, third],
      [third, fourth],
      [second, third, fourth],
      [first, second, third],
    ]) {
      go();
      db.setServers(list.map(nameOf));
      go();
      await db.get('between');
    }
    await Promise.all(started);
    assert.equal(settled, started.length);
    assert.equal(settled, 8 * KEYS.length);
    await store(db);
    const now = [first, second, third];
    assert.deepEqual(
      db.topology.nodes.map(({ name }) => name),
      now.map(nameOf),
    );
    const owner = ownerOf(now);
    for (const server of now) {
      const found = await storedOn(server, bases);
      assert.deepEqual(
        KEYS.filter((key) => owner(key) === server && !found.includes(key)),
        [],
      );
    }
    await db.close();
  });

  test('leaves the connection of a server that was taken out', async () => {
    await using servers = await startServers(2);
    const [kept, left] = servers as unknown as [TestServer, TestServer];
    const db = await bases.connect(urlOf(servers));
    await until(async () => (await left.connections()) === 1, 'the connection');
    db.setServers([{ host: '127.0.0.1', port: kept.port, weight: 2 }]);
    await until(async () => (await left.connections()) === 0, 'the end of the connection');
    assert.equal(await kept.connections(), 1);
    await store(db);
    assert.deepEqual(await storedOn(kept, bases), KEYS);
    await db.close();
  });

  test('refuses bad servers at the call, and is as it was', async () => {
    await using servers = await startServers(2);
    const db = await bases.connect(urlOf(servers));
    const bad: [unknown, RegExp][] = [
      [[], /from 1 to 1024/],
      ['a:1', /array/],
      [[''], /not a host/],
      [['a:0'], /not a host/],
      [[{ host: 'a', port: 0 }], /port/],
      [[{ host: 'a b' }], /host/],
      [[{ host: 'a', path: '/x' }], /not both/],
      [[{ hots: 'a' }], /did you mean host/],
      [[{ host: 'a', weight: 0 }], /weight/],
      [['a', 'a:11211'], /twice/],
      [[null], /object/],
    ];
    for (const [list, message] of bad)
      assert.throws(
        () => db.setServers(list as never),
        (error) =>
          error instanceof InvalidArgumentError &&
          error.context.argument === 'servers' &&
          message.test(error.message),
        String(message),
      );
    await store(db);
    assert.deepEqual(
      db.topology.nodes.map(({ name }) => name),
      servers.map(nameOf),
    );
    await db.close();
    assert.throws(() => db.setServers(['a']), { code: 'EVENKEEL_CLOSED' });
  });
});

test('connect() to a fleet resolves when each server was tried and one is there', async () => {
  await using servers = await startServers(2);
  const db = await connect(`${urlOf(servers)},127.0.0.1:1`);
  assert.deepEqual(
    db.topology.nodes.map(({ state }) => state),
    ['connected', 'connected', 'disconnected'],
  );
  await db.close();
  await assert.rejects(
    connect('memcached://127.0.0.1:1,127.0.0.1:2', { connectTimeout: 50 }),
    (error) => error instanceof ConnectionError && /none of 2 servers/.test(error.message),
  );
});

test('options of fleets are checked at the call', async () => {
  for (const [options, argument] of [
    [{ placement: 'kettama' }, 'placement'],
    [{ deadServer: 'ignore' }, 'deadServer'],
    [{ ejectAfter: 0 }, 'ejectAfter'],
    [{ weights: { 'c:1': 2 } }, 'weights'],
    [{ weights: { 'a:11211': 0 } }, 'servers'],
    [{ weights: [1] }, 'weights'],
  ] as const)
    await assert.rejects(
      connect('memcached://a,b', options as never),
      (error) => error instanceof InvalidArgumentError && error.context.argument === argument,
      argument,
    );
  await assert.rejects(connect('memcached://a,a'), { code: 'EVENKEEL_INVALID_ARGUMENT' });
});

test('the embedded engine has no servers to choose', async () => {
  await using db = await connect('embedded:');
  assert.throws(() => db.setServers(['a']), UnsupportedError);
});
