import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Registration } from '../../lib/event-base/event-base.ts';
import { everywhere, onBothBases } from './harness.mts';

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

onBothBases('the callbacks of an event base', (bases) => {
  test('run in the context that they were registered in, as those of Node do', async () => {
    const { base } = bases;
    const storage = new AsyncLocalStorage<string>();
    base.ref();
    const folder = mkdtempSync(join(tmpdir(), 'evenkeel-context-'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const pipe = openSync(join(folder, 'pipe'), constants.O_RDWR | constants.O_NONBLOCK);
    writeSync(pipe, 'x');
    const stores: Record<string, string | undefined> = {};
    const called = (name: string, register: (callback: () => void) => Registration): Promise<void> =>
      storage.run(
        name,
        () =>
          new Promise((resolve) => {
            const registration = register(() => {
              stores[name] = storage.getStore();
              registration.cancel();
              resolve();
            });
          }),
      );
    process.on('SIGUSR2', () => {}); // for signals that the base's thread does not catch yet, or any more
    const all = Promise.all([
      called('timer', (callback) => base.timer(1, callback)),
      called('signal', (callback) => base.signal('SIGUSR2', callback)),
      called('watch', (callback) => base.watch(pipe, {}, callback)),
    ]);
    const signals = setInterval(() => process.kill(process.pid, 'SIGUSR2'), 5);
    await all;
    clearInterval(signals);
    assert.deepEqual(stores, { timer: 'timer', signal: 'signal', watch: 'watch' });
    base.unref();
    closeSync(pipe);
    rmSync(folder, { recursive: true });
  });
});
