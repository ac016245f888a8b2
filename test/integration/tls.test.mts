import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConnectionError, type ConnectOptions, connect, InvalidArgumentError } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { AUTHORITY, CLIENT, CLIENT_KEY, SERVER, SERVER_KEY } from '../certificates.mts';
import { startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import { until } from '../faults/harness.mts';
import { onBothBases } from './harness.mts';

const trusting = { tls: { ca: AUTHORITY } };
const secured = { tls: { cert: SERVER, key: SERVER_KEY } };

/** A rejection at connect() that has this in its message. */
const refused =
  (message: RegExp) =>
  (error: unknown): boolean =>
    error instanceof ConnectionError && message.test(error.message);

onBothBases('a client with TLS', (bases) => {
  for (const protocol of ['binary', 'meta'] as const)
    test(`works as without, over the ${protocol} protocol`, async () => {
      await using server = await startServer(secured);
      const db = await bases.connect(server.url, { ...trusting, protocol });
      const large = Buffer.alloc(900_000, 'large ');
      const small = Array.from({ length: 2000 }, (_, index) => `key:${index}`);
      await Promise.all([db.upsert('large', large), ...small.map((key) => db.upsert(key, key))]);
      assert.deepEqual(await db.getMany(small), new Map(small.map((key) => [key, key])));
      assert.deepEqual(await db.get('large'), large);
      await db.close();
    });

  test('finds a lost connection again', async () => {
    await using server = await startServer(secured);
    const db = await bases.connect(server.url, { ...trusting, backoff: { min: 1, max: 5 } });
    await server.stop();
    await until(() => db.topology.nodes[0]?.state === 'disconnected', 'the loss');
    const get = db.get('key');
    await server.restart();
    assert.equal(await get, undefined);
    await db.close();
  });

  test('says at connect() what is wrong with the certificate', async () => {
    await using server = await startServer(secured);
    await assert.rejects(bases.connect(server.url), refused(/TLS: .*(unable|issuer|authority)/i));
    const options: ConnectOptions = { tls: { ca: AUTHORITY, servername: 'another.example' } };
    await assert.rejects(bases.connect(server.url, options), refused(/TLS: .*(another\.example|name|host)/i));
    const careless = await bases.connect(server.url, { tls: { rejectUnauthorized: false } });
    await careless.upsert('a', 1);
    await careless.close();
  });

  test('says so of plain text, whichever side speaks it', async () => {
    await using plain = await startServer();
    await assert.rejects(
      bases.connect(plain.url.replace('memcached:', 'memcacheds:'), trusting),
      refused(/TLS/),
    );
    await using server = await startServer(secured);
    await assert.rejects(bases.connect(server.url.replace('memcacheds:', 'memcached:')), ConnectionError);
  });

  test('shows a certificate of its own to who asks', async () => {
    await using server = await startServer({
      tls: { ...secured.tls, ca: AUTHORITY, requestCert: true, rejectUnauthorized: true },
    });
    await assert.rejects(bases.connect(server.url, trusting), ConnectionError);
    const db = await bases.connect(server.url, { tls: { ca: AUTHORITY, cert: CLIENT, key: CLIENT_KEY } });
    await db.upsert('a', 1);
    await db.close();
  });
});

test('a real memcached with TLS', { skip: skipWithout('memcached', 'memcached') }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'evenkeel-tls-'));
  try {
    await chmod(folder, 0o755);
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    await writeFile(cert, SERVER);
    await writeFile(key, SERVER_KEY);
    await using server = await startMemcached({
      options: ['-Z', '-o', `ssl_chain_cert=${cert},ssl_key=${key}`],
    });
    for (const protocol of ['binary', 'meta'] as const) {
      await using db = await connect(`memcacheds://localhost:${server.port}`, { ...trusting, protocol });
      const value = Buffer.alloc(500_000, protocol);
      await db.upsert(protocol, value);
      assert.deepEqual(await db.get(protocol), value);
    }
    await assert.rejects(connect(`memcacheds://127.0.0.1:${server.port}`), refused(/TLS/));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('options and urls of TLS are checked at the call', async () => {
  const bad: readonly (readonly [string, object, string])[] = [
    ['memcacheds://a', { tls: false }, 'tls'],
    ['memcached://a', { tls: { caa: AUTHORITY } }, 'tls'],
    ['memcached://a', { tls: 1 }, 'tls'],
    ['memcacheds:///run/socket', {}, 'tls'],
  ];
  for (const [url, options, argument] of bad)
    await assert.rejects(
      connect(url, options),
      (error) => error instanceof InvalidArgumentError && error.context.argument === argument,
      `${url} ${argument}`,
    );
});
