import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../lib/testing/index.ts';
import { startMemcached } from '../conformance/memcached.mts';
import { skipWithout } from '../conformance/tool.mts';
import { onBothBases, until } from './harness.mts';

onBothBases('several connections to one server', (bases) => {
  // The pause would be of minutes if each of them counted.
  test('that end together are one failure', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url, {
      connectionsPerNode: 32,
      backoff: { min: 1, max: 600_000 },
    });
    for (let round = 0; round < 4; round += 1) {
      await until(async () => (await server.connections()) === 32);
      await server.disconnectAll();
    }
    await until(async () => (await server.connections()) === 32);
    await db.close();
  });

  test('carry what is for those that the server does not take, and that is told', {
    skip: skipWithout('memcached', 'memcached'),
  }, async () => {
    await using server = await startMemcached({ options: ['-c', '20'] });
    const db = await bases.connect(`memcached://127.0.0.1:${server.port}`, {
      connectionsPerNode: 32,
      backoff: { min: 1, max: 10 },
      connectTimeout: 100,
    });
    const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
    await Promise.all(keys.map((key) => db.upsert(key, key)));
    assert.deepEqual(await db.getMany(keys), new Map(keys.map((key) => [key, key])));
    const stats = () => db.stats().nodes[0];
    await until(() => (stats()?.connectErrors ?? 0) >= 3);
    assert.deepEqual([stats()?.state, stats()?.reconnects, stats()?.timeouts], ['connected', 0, 0]);
    const open = stats()?.openConnections ?? 0;
    assert.ok(open >= 1 && open < 32, String(open));
    assert.deepEqual(await db.getMany(keys), new Map(keys.map((key) => [key, key])));
    await db.close();
  });

  test('of which the first ones are no reconnects', async () => {
    await using server = await startServer();
    const db = await bases.connect(server.url, { connectionsPerNode: 4, backoff: { min: 1, max: 5 } });
    const stats = () => db.stats().nodes[0];
    await until(() => stats()?.openConnections === 4);
    assert.deepEqual([stats()?.connections, stats()?.reconnects, stats()?.connectErrors], [4, 0, 0]);
    await server.disconnectAll();
    await until(() => stats()?.reconnects === 4 && stats()?.openConnections === 4);
    assert.equal(stats()?.connections, 8);
    await db.close();
  });
});
