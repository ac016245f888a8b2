import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CasMismatchError,
  connect,
  InvalidArgumentError,
  KeyExistsError,
  TimeoutError,
  UnsupportedError,
} from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import { onBothBases } from './harness.mts';

const LARGEST = 2n ** 64n - 1n;

onBothBases('the version of a record', (bases) => {
  test('is the one that a write gives it', async () => {
    await using server = await startServer({ version: '1.6.27' });
    await using db = await bases.connect(server.url, { protocol: 'auto' });
    assert.equal((await db.insert('k', 'a', { setCas: 7n })).cas, 7n);
    assert.equal((await db.getRecord('k'))?.cas, 7n);
    await assert.rejects(db.insert('k', 'b', { setCas: 8n }), KeyExistsError);
    assert.equal((await db.replace('k', 'b', { setCas: LARGEST, ttl: 60 })).cas, LARGEST);
    await assert.rejects(db.upsert('k', 'c', { cas: 7n, setCas: 9n }), CasMismatchError);
    assert.equal((await db.upsert('k', Buffer.from('c'), { cas: LARGEST, setCas: 1n })).cas, 1n);
    const [written] = await db.schedule((ctx) => [ctx.upsert('k', 'd', { setCas: 2n })]);
    assert.equal(written.cas, 2n);
    const { cas } = await db.upsert('k', 'e', { ttl: 60 });
    assert.notEqual(cas, 2n);
    assert.equal((await db.getDetails('k'))?.cas, cas);
  });

  test('is refused for a server that would not understand it, by name', async () => {
    for (const [age, protocol, words] of [
      [{ version: '1.6.26' }, 'auto', '(1.6.26) is spoken to in the meta protocol'],
      [{ version: '1.5.22', protocols: ['binary', 'text'] }, 'auto', '(1.5.22) is spoken to in the binary'],
      [{ version: '1.6.26' }, 'meta', '(1.6.26) is spoken to in the meta protocol'],
    ] as const) {
      await using server = await startServer(age);
      await using db = await bases.connect(server.url, { protocol });
      const node = `127.0.0.1:${server.port}`;
      const isRefused = (error: unknown): boolean =>
        error instanceof UnsupportedError &&
        error.context.node === node &&
        error.message.includes(
          `setCas is for memcached from 1.6.27 in the meta protocol, and ${node} ${words}`,
        );
      assert.throws(() => db.upsert('k', 'v', { setCas: 7n }), isRefused);
      const ctx = db.enter();
      const staged = ctx.upsert('k', 'v', { setCas: 7n });
      const other = ctx.upsert('k', 'w');
      ctx.leave();
      await assert.rejects(staged, isRefused);
      await other;
      assert.equal(await db.get('k'), 'w');
    }
    await using binary = await bases.connect('memcached://127.0.0.1:1', { protocol: 'binary', lazy: true });
    assert.throws(() => binary.upsert('k', 'v', { setCas: 7n }), UnsupportedError);
  });

  test('waits until it is known whether the server understands it', async () => {
    for (const protocol of ['auto', 'meta'] as const)
      for (const version of ['1.6.26', '1.6.27']) {
        await using server = await startServer({ version });
        await using db = await bases.connect(server.url, { protocol, lazy: true });
        const isTaken = version === '1.6.27';
        const bytes = Buffer.from('b');
        const writes = [
          db.upsert('k', 'a', { setCas: 7n }),
          db.append('k', bytes),
          db.upsert('l', 'l', { setCas: 8n }),
        ];
        const record = db.getRecord('k');
        bytes.fill('x');
        const [written, , other] = await Promise.allSettled(writes);
        for (const each of [written, other])
          if (!isTaken) assert.ok(each?.status === 'rejected' && each.reason instanceof UnsupportedError);
        assert.equal((await record)?.value, isTaken ? 'ab' : undefined);
        assert.equal(await db.get('l'), isTaken ? 'l' : undefined);
      }
    await using nowhere = await bases.connect('memcached://127.0.0.1:1', { protocol: 'auto', lazy: true });
    await assert.rejects(nowhere.upsert('k', 'v', { setCas: 7n, timeout: 20 }), TimeoutError);
    await nowhere.close({ timeout: 1 });
  });
});

test('setCas is a version, and an option of writes alone', async () => {
  await using server = await startServer({ version: '1.6.27' });
  await using db = await connect(server.url);
  for (const setCas of [0n, -1n, LARGEST + 1n, 7, '7', null])
    assert.throws(() => db.upsert('k', 'v', { setCas: setCas as bigint }), {
      code: 'EVENKEEL_INVALID_ARGUMENT',
      context: { argument: 'setCas' },
    });
  assert.throws(() => db.append('k', 'v', { setCas: 1n } as object), InvalidArgumentError);
  assert.throws(() => db.upsert('a'.repeat(251), 'v', { setCas: 1n }), InvalidArgumentError);
  await using embedded = await connect('embedded:');
  assert.throws(() => embedded.upsert('k', 'v', { setCas: 1n }), UnsupportedError);
});

test('a real memcached before 1.6.27 hears nothing of it', {
  skip: skipWithout('memcached', 'memcached'),
}, async () => {
  await using server = await startMemcached();
  await using db = await connect(`memcached://127.0.0.1:${server.port}`);
  const version = (await db.serverVersions()).values.get(`127.0.0.1:${server.port}`) ?? '';
  const isOld = version.localeCompare('1.6.27', undefined, { numeric: true }) < 0;
  if (isOld) assert.throws(() => db.upsert('k', 'v', { setCas: 7n }), UnsupportedError);
  else assert.equal((await db.upsert('k', 'v', { setCas: 7n })).cas, 7n);
  assert.equal(await db.get('k'), isOld ? undefined : 'v');
});
