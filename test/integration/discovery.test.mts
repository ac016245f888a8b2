import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { UnsupportedError } from '../../lib/errors.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';
import { type Bases, nothingIsLeft, onBothBases, until } from './harness.mts';

const KEY = 'AmazonElastiCache:cluster';

const listOf = (version: number, servers: readonly TestServer[]): string =>
  `${version}\n${servers.map(({ port }) => `localhost|127.0.0.1|${port}`).join(' ')}\n`;

/** What the endpoint tells from here on. */
async function tell(bases: Bases, endpoint: TestServer, text: string): Promise<void> {
  await using db = await bases.connect(endpoint.url);
  await db.upsert(KEY, text);
}

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
async function startOld(answer: (line: string) => string): Promise<{ url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      for (const byte of answer(bytes.toString().trim())) socket.write(byte);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `memcached://127.0.0.1:${(server.address() as AddressInfo).port}`,
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
    ['STORED\r\n', /not understood/],
    ['CONFIG cluster 0 3\r\nabcdefghijklmno', /another length/],
    ['CONFIG cluster 0 3\r\nabc\r\nEND\r\n', /not understood/],
    ['', /no answer within 50 ms/],
  ] as const) {
    await using endpoint = await startOld(() => answer);
    const connectTimeout = answer === '' ? 50 : 60_000;
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
