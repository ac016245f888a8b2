import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionError, type ConnectOptions } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { AUTHORITY, SERVER, SERVER_KEY } from '../certificates.mts';
import { onBothBases } from '../integration/harness.mts';
import { until } from './harness.mts';
import { CLEAR, FaultProxy, type Weather } from './proxy.mts';

const secured = { tls: { cert: SERVER, key: SERVER_KEY } };
const options: ConnectOptions = {
  tls: { ca: AUTHORITY, servername: 'localhost' },
  backoff: { min: 1, max: 5 },
};
/** Half of each read passes. */
const half = (): number => 0.5;
const at = ({ port }: FaultProxy): string => `memcacheds://127.0.0.1:${port}`;
const value = Buffer.alloc(300_000, 'value ');

onBothBases('a client with TLS whose connection', (bases) => {
  for (const protocol of ['binary', 'meta'] as const)
    test(`comes and goes byte by byte works over the ${protocol} protocol`, async () => {
      await using server = await startServer(secured);
      await using proxy = await FaultProxy.start(server.port, half);
      proxy.weather = { ...CLEAR, crumbled: 1 };
      await using db = await bases.connect(at(proxy), { ...options, protocol });
      await db.upsert('a', 'b'.repeat(3000));
      assert.equal(await db.get('a'), 'b'.repeat(3000));
    });

  const ends: [how: string, weather: Weather][] = [
    ['is cut', { ...CLEAR, cut: 1 }],
    ['is reset', { ...CLEAR, reset: 1 }],
  ];
  for (const [how, weather] of ends) {
    test(`${how} in the handshake is refused at connect()`, async () => {
      await using server = await startServer(secured);
      await using proxy = await FaultProxy.start(server.port, half);
      proxy.weather = weather;
      await assert.rejects(
        bases.connect(at(proxy), options),
        (error) =>
          error instanceof ConnectionError &&
          /TLS: the server ended the connection in the TLS handshake|ECONNRESET|EPIPE/.test(error.message),
      );
    });

    test(`${how} in the handshake is tried again`, async () => {
      await using server = await startServer(secured);
      await using proxy = await FaultProxy.start(server.port, half);
      proxy.weather = weather;
      await using db = await bases.connect(at(proxy), { ...options, lazy: true });
      const get = db.get('a');
      await until(() => db.topology.nodes[0]?.lastFault !== undefined, 'the first fault');
      proxy.weather = CLEAR;
      assert.equal(await get, undefined);
    });

    test(`${how} in the middle of a record reads again and does not write again`, async () => {
      await using server = await startServer(secured);
      await using proxy = await FaultProxy.start(server.port, half);
      await using db = await bases.connect(at(proxy), options);
      await db.upsert('a', value);
      proxy.weather = weather;
      const get = db.get('a');
      await until(() => db.topology.nodes[0]?.state === 'disconnected', 'the end');
      const append = db.append('a', 'more');
      proxy.weather = CLEAR;
      assert.deepEqual(await get, value);
      await append;
      proxy.weather = weather;
      await assert.rejects(db.increment('counter', { initial: 1n }), {
        code: 'EVENKEEL_CONNECTION',
        ambiguous: true,
      });
      proxy.weather = CLEAR;
      assert.equal((await db.get<Buffer>('a'))?.length, value.length + 4);
    });
  }

  test('swallows what the server says, has its operations time out, and is replaced', async () => {
    await using server = await startServer(secured);
    await using proxy = await FaultProxy.start(server.port, half);
    await using db = await bases.connect(at(proxy), { ...options, silenceTimeout: 50 });
    proxy.weather = { ...CLEAR, lost: 1 };
    await assert.rejects(db.get('a', { timeout: 100 }), { code: 'EVENKEEL_TIMEOUT' });
    proxy.weather = CLEAR;
    assert.equal(await db.get('a'), undefined);
  });
});
