import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { BackpressureError, ClosedError } from '../../lib/errors.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';
import { long } from '../effort.mts';
import { inProcess } from './elsewhere.mts';
import { assertNothingLeft, models, open } from './harness.mts';

after(assertNothingLeft);

const MANY = long ? 60_000 : 20_000;

const start = (): Promise<TestServer> => startServer({ worker: true });

for (const model of models) {
  describe(`large numbers on a ${model} base`, () => {
    test('operations without number in slices larger than the client takes: each is right, the excess is refused', async () => {
      await using server = await start();
      await using opened = await open(server.url, model, {
        maxInFlight: 4000,
        maxQueued: 4000,
        timeout: 60_000,
      });
      const { db } = opened;
      const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
      await Promise.all(keys.map((key) => db.upsert(key, `value of ${key}`)));
      const total = long ? 1_000_000 : 100_000;
      let right = 0;
      let refused = 0;
      let wrong = 0;
      const onError = (error: unknown): void => {
        if (error instanceof BackpressureError) refused += 1;
        else wrong += 1;
      };
      const expected = keys.map((key) => `value of ${key}`);
      const checks = expected.map((value) => (found: unknown): void => {
        if (found === value) right += 1;
        else wrong += 1;
      });
      while (right < total && wrong === 0) {
        const slice: Promise<void>[] = [];
        for (let i = 0; i < 8200; i += 1) {
          slice.push(db.get(keys[i % 1000] as string).then(checks[i % 1000], onError));
        }
        await Promise.all(slice);
      }
      assert.equal(wrong, 0);
      assert.ok(right >= total);
      assert.ok(refused > 0); // 200 of each slice
    });

    test('tens of thousands in flight at once, each with its own answer', async () => {
      await using server = await start();
      await using opened = await open(server.url, model, {
        maxInFlight: MANY,
        maxQueued: 0,
        timeout: 60_000,
      });
      const { db } = opened;
      await server.pause();
      const writes = Array.from({ length: MANY }, (_, i) => db.upsert(`n${i}`, i));
      await assert.rejects(db.get('excess'), BackpressureError);
      await server.resume();
      await Promise.all(writes);
      await server.pause();
      const reads = Array.from({ length: MANY }, (_, i) => db.get<number>(`n${i}`));
      await server.resume();
      const found = await Promise.all(reads);
      assert.ok(found.every((value, i) => value === i));
    });

    for (const what of ['database', 'base'] as const) {
      test(`closing the ${what} with tens of thousands in flight settles them all`, async () => {
        await using server = await start();
        const { db, base } = await open(server.url, model, { maxInFlight: MANY / 2, timeout: 60_000 });
        await server.pause();
        const outcomes = Promise.allSettled(
          Array.from({ length: MANY }, (_, i) => (i % 2 === 0 ? db.get(`n${i}`) : db.upsert(`n${i}`, 'x'))),
        );
        await (what === 'database' ? db.close({ timeout: 10 }) : base.close());
        const settled = await outcomes;
        const closed = settled.filter(
          (outcome) => outcome.status === 'rejected' && outcome.reason instanceof ClosedError,
        );
        assert.equal(closed.length, MANY);
        await db.close();
        await base.close();
      });
    }

    test('the process exits with 100,000 in flight', async () => {
      await using server = await start();
      for (const way of ['exit', 'throw'] as const) {
        const ended = await inProcess(
          async ({ evenkeel, say }, { url, model, way }) => {
            const eventBase = model === 'host' ? evenkeel.EventBase.host : evenkeel.EventBase.create();
            const options = { eventBase, maxInFlight: 100_000, maxQueued: 100_000 };
            const db = await evenkeel.connect(url, options);
            const ignore = (): void => {};
            for (let i = 0; i < 100_000; i += 1) db.upsert(`e${i}`, `value ${i}`).then(ignore, ignore);
            setImmediate(() => {
              say('under way');
              if (way === 'throw') throw new Error('on purpose');
              process.exit(5);
            });
          },
          { url: server.url, model, way },
        );
        assert.deepEqual([ended.code, ended.signal], [way === 'exit' ? 5 : 1, null], ended.stderr);
        assert.deepEqual(ended.lines, ['under way']);
      }
    });
  });
}
