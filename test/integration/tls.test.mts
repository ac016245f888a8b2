import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ConnectionError, type ConnectOptions, connect, InvalidArgumentError } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { AUTHORITY, CLIENT, CLIENT_KEY, EXPIRED, EXPIRED_KEY, SERVER, SERVER_KEY } from '../certificates.mts';
import { type Memcached, startMemcached } from '../conformance/memcached.mts';
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

/** A real memcached with a certificate, and more of its options for TLS. */
async function startSecured(cert: string, key: string, more = ''): Promise<Memcached> {
  const folder = await mkdtemp(join(tmpdir(), 'evenkeel-tls-'));
  try {
    await chmod(folder, 0o755);
    const paths = {
      cert: join(folder, 'cert.pem'),
      key: join(folder, 'key.pem'),
      ca: join(folder, 'ca.pem'),
    };
    await Promise.all([
      writeFile(paths.cert, cert),
      writeFile(paths.key, key),
      writeFile(paths.ca, AUTHORITY),
    ]);
    const tls = `ssl_chain_cert=${paths.cert},ssl_key=${paths.key},ssl_ca_cert=${paths.ca}${more}`;
    return await startMemcached({ options: ['-Z', '-o', tls] });
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('a real memcached with TLS', { skip: skipWithout('memcached', 'memcached') }, () => {
  test('is spoken to over both protocols', async () => {
    await using server = await startSecured(SERVER, SERVER_KEY);
    for (const protocol of ['binary', 'meta'] as const) {
      await using db = await connect(`memcacheds://localhost:${server.port}`, { ...trusting, protocol });
      const value = Buffer.alloc(500_000, protocol);
      await db.upsert(protocol, value);
      assert.deepEqual(await db.get(protocol), value);
    }
  });

  test('is refused when its authority is unknown, or its name another', async () => {
    await using server = await startSecured(SERVER, SERVER_KEY);
    const url = `memcacheds://127.0.0.1:${server.port}`;
    await assert.rejects(connect(url), refused(/TLS: .*(local issuer|self-signed) certificate/));
    const options: ConnectOptions = { tls: { ca: AUTHORITY, servername: 'another.example' } };
    await assert.rejects(
      connect(url, options),
      refused(/TLS: .*it is not for another\.example, but for DNS:localhost, IP Address:127\.0\.0\.1/),
    );
  });

  test('is refused when its certificate has expired', async () => {
    await using server = await startSecured(EXPIRED, EXPIRED_KEY);
    await assert.rejects(
      connect(`memcacheds://localhost:${server.port}`, { tls: { ca: EXPIRED } }),
      refused(/TLS: .*certificate has expired/),
    );
  });

  test('that asks for a certificate gets it', async () => {
    await using server = await startSecured(SERVER, SERVER_KEY, ',ssl_verify_mode=2');
    const url = `memcacheds://localhost:${server.port}`;
    await assert.rejects(connect(url, trusting), refused(/TLS: the server refuses|ECONNRESET|closed/));
    await using db = await connect(url, { tls: { ca: AUTHORITY, cert: CLIENT, key: CLIENT_KEY } });
    await db.upsert('a', 1);
    assert.equal(await db.get('a'), 1);
  });

  test('and plain text find each other out', async () => {
    await using server = await startSecured(SERVER, SERVER_KEY);
    await assert.rejects(connect(`memcached://localhost:${server.port}`), ConnectionError);
    await using plain = await startMemcached();
    await assert.rejects(
      connect(`memcacheds://localhost:${plain.port}`, { ...trusting, connectTimeout: 500 }),
      refused(/TLS|no answer|ETIMEDOUT/),
    );
  });
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
