import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { everywhere } from './harness.mts';

everywhere('an AsyncLocalStorage', (site) => {
  test('is the same before and after every await, for each of many at once', async () => {
    await using db = await site.open();
    const storage = new AsyncLocalStorage<number>();
    const request = async (id: number): Promise<void> => {
      const key = site.key();
      await db.upsert(key, id);
      assert.equal(storage.getStore(), id);
      assert.equal(await db.get(key), id);
      assert.equal(storage.getStore(), id);
      await db.getMany([key, 'missing']);
      assert.equal(storage.getStore(), id);
      await db.schedule((ctx) => [ctx.get(key), ctx.touch(key, { ttl: 100 })]);
      assert.equal(storage.getStore(), id);
      await db.insert(key, 0).catch(() => assert.equal(storage.getStore(), id));
      assert.equal(storage.getStore(), id);
      await db.get(key, { signal: AbortSignal.abort() }).catch(() => assert.equal(storage.getStore(), id));
      assert.equal(storage.getStore(), id);
    };
    await Promise.all(Array.from({ length: 200 }, (_, id) => storage.run(id, request, id)));
    assert.equal(storage.getStore(), undefined);
  });
});
