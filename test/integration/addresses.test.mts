import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, mock, test } from 'node:test';
import { ConnectionError } from '../../lib/errors.ts';
import { EventBase } from '../../lib/event-base/event-base.ts';
import { startServer } from '../../lib/testing/index.ts';
import { startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import { type Bases, onBothBases, until } from './harness.mts';

const withoutMemcached = skipWithout('memcached', 'memcached');
const withoutIpv6 = !(await canListen('::1')) && 'there is no IPv6 loopback';

async function canListen(host: string): Promise<boolean> {
  const probe = createServer();
  try {
    await once(probe.listen(0, host), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

async function roundTrip(bases: Bases, url: string, node: string): Promise<void> {
  await using db = await bases.connect(url);
  await db.upsert('k', { large: 'x'.repeat(50_000) });
  assert.deepEqual(await db.get('k'), { large: 'x'.repeat(50_000) });
  await assert.rejects(db.insert('k', 1), {
    context: { op: 'insert', key: 'k', node, attempts: 1, status: 2 },
  });
  assert.match(await db.version(), /^1\.6\./);
}

onBothBases('connect()', (bases) => {
  afterEach(() => mock.restoreAll());

  function resolverAnswers(...addresses: string[]): void {
    const answer = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    resolverDoes(async () => answer);
  }

  function resolverDoes(lookup: () => Promise<unknown>): void {
    mock.restoreAll();
    mock.method(dns, 'lookup', lookup as typeof dns.lookup);
  }

  test('is not asked what a base has seen that was closed amid a lookup', async () => {
    await using first = await startServer();
    await using second = await startServer();
    const lookups: { resolve: (found: object[]) => void; reject: (error: Error) => void }[] = [];
    resolverDoes(() => new Promise((resolve, reject) => lookups.push({ resolve, reject })));
    const url = `memcached://127.0.0.1:${first.port},second.example:${second.port}`;
    const options = { deadServer: 'eject', ejectAfter: 1, backoff: { min: 1, max: 5 }, lazy: true } as const;
    await using db = await bases.connect(url, options);
    const base = EventBase.create();
    db.via(base);
    await base.close();
    const isEjected = () => db.topology.nodes[1]?.isEjected;
    lookups[0]?.reject(new Error('no resolver'));
    await until(() => isEjected() === true && lookups.length === 2);
    lookups[1]?.resolve([{ address: '127.0.0.1', family: 4 }]);
    await until(() => isEjected() === false);
    const told: (boolean | undefined)[] = [];
    db.onTopology(({ nodes }) => told.push(nodes[1]?.isEjected));
    await second.disconnectAll();
    await until(() => told.length >= 2); // the loss of the connection, and the next one
    assert.ok(!told.includes(true));
    await db.close();
  });

  for (const isReal of [false, true]) {
    const name = isReal ? 'memcached' : 'the test server';
    const skip = isReal && withoutMemcached;

    test(`reaches ${name} on a unix socket`, { skip }, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'evenkeel-'));
      await chmod(folder, 0o777);
      try {
        for (const file of ['cache.sock', 'mit ä und %.sock']) {
          const path = join(folder, file);
          await using _ = await (isReal ? startMemcached({ path }) : startServer({ path }));
          await roundTrip(bases, `memcached://${encodeURI(path)}`, path);
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test(`reaches ${name} over IPv6`, { skip: skip || withoutIpv6 }, async () => {
      const host = '::1';
      await using server = await (isReal ? startMemcached({ host }) : startServer({ host }));
      await roundTrip(bases, `memcached://[::1]:${server.port}`, `[::1]:${server.port}`);
    });

    test(`reaches ${name} by name`, { skip }, async () => {
      await using server = await (isReal ? startMemcached() : startServer());
      await roundTrip(bases, `memcached://localhost:${server.port}`, `localhost:${server.port}`);
    });
  }

  test('tries every address of a name, whatever order the resolver gives them in', async () => {
    await using server = await startServer();
    for (const order of [
      ['127.0.0.2', '127.0.0.1'],
      ['127.0.0.3', '127.0.0.2', '127.0.0.1'],
      ['::1', '127.0.0.1'],
    ]) {
      resolverAnswers(...order);
      await roundTrip(bases, `memcached://many.example:${server.port}`, `many.example:${server.port}`);
    }
  });

  test('asks the resolver again when a connection is lost, and goes where the name has gone', async () => {
    await using server = await startServer({ host: '0.0.0.0' });
    resolverAnswers('127.0.0.1');
    await using db = await bases.connect(`memcached://moving.example:${server.port}`, {
      backoff: { min: 1, max: 5 },
    });
    await db.upsert('k', 1);
    const { port } = server;
    await server.close();
    await using moved = await startServer({ host: '127.0.0.2', port });
    resolverAnswers('127.0.0.2');
    assert.equal(await db.get('k', { timeout: 60_000 }), undefined);
    assert.equal(await moved.connections(), 1);
  });

  test('rejects at once when the name is unknown', async () => {
    const failure = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    resolverDoes(() => Promise.reject(failure));
    const node = 'nowhere.example:11211';
    await assert.rejects(bases.connect(`memcached://${node}`, { connectTimeout: 60_000 }), (error) => {
      assert.ok(error instanceof ConnectionError);
      assert.equal(error.cause, failure);
      assert.deepEqual([error.retryable, error.context.node, error.context.op], [true, node, 'connect']);
      return true;
    });
  });

  test('with lazy: true gets through once the resolver knows the name', async () => {
    await using server = await startServer();
    resolverDoes(() => Promise.reject(new Error('not yet')));
    const options = { lazy: true, backoff: { min: 1, max: 5 } };
    await using db = await bases.connect(`memcached://late.example:${server.port}`, options);
    const got = db.get('k');
    await assert.rejects(db.get('k', { timeout: 30 }), { code: 'EVENKEEL_TIMEOUT', message: /not yet/ });
    resolverAnswers('127.0.0.1');
    assert.equal(await got, undefined);
  });

  test('with lazy: true and a name serves the views on other bases too', async () => {
    await using server = await startServer();
    await using db = await bases.connect(`memcached://localhost:${server.port}`, { lazy: true });
    await using io = EventBase.create();
    assert.equal(await db.via(io).get('k'), undefined);
    await db.close();
  });

  test('rejects with the reason when nobody listens, when nobody answers, and when the answer is nonsense', async () => {
    await using server = await startServer();
    const node = `127.0.0.1:${server.port}`;
    const context = { op: 'connect', node };
    const options = { connectTimeout: 100 };
    for (const [action, code] of [
      [{ kind: 'refuse' }, 'ECONNREFUSED'],
      [{ kind: 'silent' }, undefined],
      [{ kind: 'banner', bytes: Buffer.from('ERROR\r\n'.repeat(10)) }, 'EPROTO'],
      [{ kind: 'reset' }, undefined],
    ] as const) {
      const fault = await server.fault({ on: 'connect', action });
      await assert.rejects(bases.connect(server.url, options), (error) => {
        assert.ok(error instanceof ConnectionError);
        assert.deepEqual([error.context, error.retryable, error.ambiguous], [context, true, false]);
        if (code !== undefined) assert.equal((error.cause as { code?: string }).code, code);
        return true;
      });
      await fault.remove();
    }
    await server.waitForConnections(0);
    await roundTrip(bases, server.url, node);
  });
});
