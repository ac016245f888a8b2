import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { mock, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { AuthenticationError, ClosedError, ConnectionError, UnsupportedError } from '../../lib/errors.ts';
import { EventBase } from '../../lib/event-base/event-base.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';
import { AUTHORITY, SERVER, SERVER_KEY } from '../certificates.mts';
import { type Bases, nothingIsLeft, onBothBases, until } from './harness.mts';

const KEY = 'AmazonElastiCache:cluster';

const listOf = (version: number, servers: readonly TestServer[]): string =>
  `${version}\n${servers.map(({ port }) => `localhost|127.0.0.1|${port}`).join(' ')}\n`;

/** What the endpoint tells from here on. */
async function tell(bases: Bases, endpoint: TestServer, text: string): Promise<void> {
  await using db = await bases.connect(endpoint.url);
  await db.upsert(KEY, text);
}

const trusting = { tls: { ca: AUTHORITY } };
const quick = { discovery: { interval: 1 }, backoff: { min: 1, max: 5 } };

onBothBases('discovery', (bases) => {
  test('finds the servers, follows newer lists and ignores older ones and what is none', async () => {
    const servers = await Promise.all([startServer({ record: true }), startServer(), startServer()]);
    const [endpoint, first, second] = servers as [TestServer, TestServer, TestServer];
    await tell(bases, endpoint, listOf(5, [first]));
    const db = await bases.connect(endpoint.url, quick);
    const names = () => db.topology.nodes.map(({ name }) => name);
    assert.deepEqual(names(), [`localhost:${first.port}`]);
    await db.upsert('k', 1);
    const asked = async (): Promise<void> => {
      const count = async () => (await endpoint.commands()).length;
      const before = await count();
      await until(async () => (await count()) > before + 2);
    };
    await tell(bases, endpoint, listOf(4, [second]));
    await asked();
    await tell(bases, endpoint, 'nonsense');
    await asked();
    assert.deepEqual(names(), [`localhost:${first.port}`]);
    await tell(bases, endpoint, listOf(6, [first, second]));
    await until(() => names().length === 2);
    assert.throws(() => db.setServers(['localhost:1']), UnsupportedError);
    await db.close();
    await Promise.all(servers.map((each) => each.close()));
  });

  test('asks the servers themselves when the endpoint is away, and keeps its list meanwhile', async () => {
    const servers = await Promise.all([startServer(), startServer(), startServer()]);
    const [endpoint, first, second] = servers as [TestServer, TestServer, TestServer];
    await tell(bases, endpoint, listOf(1, [first]));
    const db = await bases.connect(endpoint.url, quick);
    await endpoint.stop();
    await db.upsert('k', 1);
    await tell(bases, first, listOf(2, [first, second]));
    await until(() => db.topology.nodes.length === 2);
    await db.close();
    await Promise.all(servers.map((each) => each.close()));
  });
});

/** Answers each line by `answer`, in pieces of one byte. */
async function startOld(
  answer: (line: string) => string,
): Promise<{ url: string; port: number; sockets: ReadonlySet<Socket> } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      for (const byte of answer(bytes.toString().trim())) socket.write(byte);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `memcached://127.0.0.1:${port}`,
    port,
    sockets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('servers that do not know the command are asked for the item that they have instead', async () => {
  await using server = await startServer();
  const list = listOf(1, [server]);
  await using endpoint = await startOld((line) =>
    line === `get ${KEY}` ? `VALUE ${KEY} 0 ${list.length}\r\n${list}\r\nEND\r\n` : 'ERROR\r\n',
  );
  await using db = await connect(endpoint.url, { discovery: true, lazy: true });
  await db.upsert('k', 1);
  await db.close();
});

test('an endpoint that says nothing of use rejects connect(), and nothing is left', async () => {
  for (const [answer, message] of [
    ['END\r\n', /no list of servers/],
    ['STORED\r\n', /answered another request/],
    ['CONFIG cluster 0 3\r\nabcdefghijklmno', /parts contradict each other/],
    ['CONFIG cluster 0 3\r\nabc\r\nEND\r\n', /not understood/],
    ['SERVER_ERROR busy\r\n', /the server answered: busy/],
    ['CONFIG cluster 0 4294967295\r\n', /above any limit/],
    ['CONFIG cluster 0 99999999999\r\n', /does not speak the protocol/],
    ['C'.repeat(5000), /does not speak the protocol/],
    ['END\r\nEND\r\n', /no list of servers/],
    ['CONFIG cluster 0 200000\r\n1', /no answer within 50 ms/],
    ['', /no answer within 50 ms/],
  ] as const) {
    await using endpoint = await startOld(() => answer);
    const connectTimeout = message.source.includes('50 ms') ? 50 : 60_000;
    const options = { discovery: true, connectTimeout, managementBase: 'internal' } as const;
    await assert.rejects(connect(endpoint.url, options), (error: Error) => {
      assert.match(error.message, message);
      assert.match(error.message, /^discovery: 127\.0\.0\.1:\d+: /);
      return (error as { code?: string }).code === 'EVENKEEL_CONNECTION';
    });
  }
  await assert.rejects(connect('memcached://127.0.0.1:1', { discovery: true }), /ECONNREFUSED/);
  await nothingIsLeft();
});

test('an answer of any size is read whole, over TLS as well', async () => {
  const { tls } = trusting;
  await using secured = await startServer({ tls: { cert: SERVER, key: SERVER_KEY } });
  const url = secured.url.replace('127.0.0.1', 'localhost');
  const hosts = Array.from({ length: 1025 }, (_, index) => `host-number-${index}.example||11211`);
  await using db = await connect(secured.url, trusting);
  await db.upsert(KEY, `1\n${hosts.join(' ')}\n`);
  await assert.rejects(connect(url, { discovery: true, tls }), /from 1 to 1024, not 1025/);
  await assert.rejects(connect(url, { discovery: true, tls: true }), (error: Error) => {
    assert.match(error.message, /^discovery: localhost:\d+: TLS: /);
    return error instanceof ConnectionError;
  });
  await db.close();
});

test('each address of an endpoint is tried, and none is when the name is unknown', async () => {
  await using server = await startServer();
  await using db = await connect(server.url);
  await db.upsert(KEY, listOf(1, [server]));
  const lookup = mock.method(dns, 'lookup', async () =>
    ['127.0.0.2', '127.0.0.3', '127.0.0.1'].map((address) => ({ address, family: 4 })),
  );
  const url = `memcached://endpoint.example:${server.port}`;
  await using found = await connect(url, { discovery: true, lazy: true });
  assert.equal(found.topology.nodes.length, 1);
  lookup.mock.mockImplementation(() => Promise.reject(new Error('no resolver')));
  await assert.rejects(connect(url, { discovery: true }), /^ConnectionError: discovery: .*: no resolver$/);
  mock.restoreAll();
  await found.close();
  await db.close();
});

test('a question is asked once more when the base that it is asked on is closed', async () => {
  await using server = await startServer();
  const list = listOf(1, [server]);
  let isSilent = true;
  await using endpoint = await startOld(() =>
    isSilent ? '' : `CONFIG cluster 0 ${list.length}\r\n${list}\r\nEND\r\n`,
  );
  const base = EventBase.create();
  const options = { discovery: true, connectTimeout: 600_000, lazy: true, managementBase: base };
  const connecting = connect(endpoint.url, options);
  await until(() => endpoint.sockets.size > 0);
  isSilent = false;
  await base.close();
  const db = await connecting;
  assert.equal(db.topology.nodes.length, 1);
  await db.close();
});

test('several endpoints are asked at once, and one that answers is enough', async () => {
  await using server = await startServer();
  const text = listOf(1, [server]);
  await using silent = await startOld(() => '');
  await using other = await startOld(() => '');
  await using endpoint = await startOld(() => `CONFIG cluster 0 ${text.length}\r\n${text}\r\nEND\r\n`);
  const url = `memcached://127.0.0.1:${silent.port},127.0.0.1:${other.port},127.0.0.1:${endpoint.port}`;
  await using db = await connect(url, { discovery: true, connectTimeout: 600_000 });
  assert.deepEqual(
    db.topology.nodes.map(({ name }) => name),
    [`localhost:${server.port}`],
  );
  await until(() => silent.sockets.size + other.sockets.size + endpoint.sockets.size === 0);
  await db.close();
});

test('a list that cannot be followed is told of, once', async () => {
  await using server = await startServer();
  let text = listOf(1, [server]);
  await using endpoint = await startOld(() => `CONFIG cluster 0 ${text.length}\r\n${text}\r\nEND\r\n`);
  const warnings: (Error & { code?: string })[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  await using db = await connect(endpoint.url, { discovery: { interval: 1 } });
  const hosts = Array.from({ length: 1025 }, (_, index) => `h${index}||1`);
  text = `2\n${hosts.join(' ')}\n`;
  await until(() => warnings.length > 0);
  assert.equal(db.topology.nodes.length, 1);
  text = `3\n${hosts.join(' ')} more||1\n`;
  await until(() => warnings.length > 1);
  process.off('warning', onWarning);
  assert.deepEqual(
    warnings.map(({ code, message }) => [code, message]),
    [1025, 1026].map((count, index) => [
      'EVENKEEL_DISCOVERY',
      `discovery: version ${index + 2} of the list of servers is not followed: servers: from 1 to 1024, not ${count}`,
    ]),
  );
  await db.close();
  await assert.rejects(connect(endpoint.url, { discovery: true }), /from 1 to 1024, not 1026/);
});

test('who has a password says it to an endpoint that asks, and to no other', async () => {
  const credentials = { username: 'ada', password: 'love' };
  await using server = await startServer();
  const list = listOf(1, [server]);
  const answer = `CONFIG cluster 0 ${list.length}\r\n${list}\r\nEND\r\n`;
  let isLoggedIn = false;
  const heard: string[] = [];
  await using endpoint = await startOld((lines) => {
    heard.push(lines);
    if (isLoggedIn) return answer;
    isLoggedIn = /^set \w+ 0 0 8\r\nada love$/.test(lines);
    if (isLoggedIn) return 'STORED\r\n';
    return lines.startsWith('set')
      ? 'CLIENT_ERROR authentication failure\r\n'
      : 'CLIENT_ERROR unauthenticated\r\n';
  });
  const options = { discovery: true, lazy: true, protocol: 'meta' } as const;
  await assert.rejects(connect(endpoint.url, options), AuthenticationError);
  const wrong = { username: 'ada', password: 'hate' };
  await assert.rejects(connect(endpoint.url, { ...options, ...wrong }), (error: Error) => {
    assert.ok(error instanceof AuthenticationError);
    assert.match(error.message, /refuses the credentials$/);
    return true;
  });
  const db = await connect(endpoint.url, { ...options, ...credentials });
  await db.close();
  heard.length = 0;
  const again = await connect(endpoint.url, { ...options, ...credentials });
  await again.close();
  assert.deepEqual(heard, ['config get cluster']);
});

for (const managementBase of ['shared', 'internal'] as const)
  onBothBases(`a question of discovery, timed on a base that is ${managementBase}`, (bases) => {
    test('ends with the database', async () => {
      await using server = await startServer();
      const list = listOf(1, [server]);
      let isSilent = false;
      await using endpoint = await startOld(() =>
        isSilent ? '' : `CONFIG cluster 0 ${list.length}\r\n${list}\r\nEND\r\n`,
      );
      const options = { discovery: { interval: 1 }, connectTimeout: 600_000, managementBase };
      const db = await bases.connect(endpoint.url, options);
      isSilent = true;
      await until(() => endpoint.sockets.size > 0);
      await db.close();
      await until(() => endpoint.sockets.size === 0);
    });

    test('ends with the base that connect() was given', async () => {
      await using endpoint = await startOld(() => '');
      const options = { discovery: true, managementBase } as const;
      const ended = assert.rejects(bases.connect(endpoint.url, options), ClosedError);
      await until(() => endpoint.sockets.size > 0);
      await bases.base.close();
      await ended;
      await until(() => endpoint.sockets.size === 0);
    });
  });

onBothBases('connect() to several servers', (bases) => {
  test('ends with its base, whatever they are at', async () => {
    await using one = await startOld(() => '');
    await using other = await startOld(() => '');
    const url = `${one.url},127.0.0.1:${other.port}`;
    const ended = assert.rejects(bases.connect(url, { connectTimeout: 600_000 }), ClosedError);
    await until(() => one.sockets.size > 0 && other.sockets.size > 0);
    await bases.base.close();
    await ended;
  });
});

test('bad options of it are refused', async () => {
  const refused = (argument: string) => ({ code: 'EVENKEEL_INVALID_ARGUMENT', context: { argument } });
  const url = 'memcached://127.0.0.1:1';
  for (const discovery of [1, 'true', null, [], { interval: 1, every: 2 }])
    await assert.rejects(connect(url, { discovery: discovery as unknown as boolean }), refused('discovery'));
  for (const interval of [0, -1, Number.NaN, '1', null])
    await assert.rejects(
      connect(url, { discovery: { interval: interval as number } }),
      refused('discovery.interval'),
    );
  const weights = { '127.0.0.1:1': 2 };
  await assert.rejects(connect(url, { discovery: true, weights }), refused('weights'));
});
