// What native code gives back, to be submitted again: reads that were lost with their connection, and what was not written.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { ClosedError, KeyExistsError } from '../../lib/errors.ts';
import { startServer } from '../../lib/testing/index.ts';
import { assertNothingLeft, keepBusy, models, open, openBase, until } from './harness.mts';

after(assertNothingLeft);

const quick = { backoff: { min: 1, max: 10 } };
const LONG = 60_000;

for (const model of models) {
  describe(`what is given back on a ${model} base`, () => {
    test('ends with the client that closes before it was submitted again', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, quick);
      const { db } = opened;
      const hang = await server.fault({ opcode: 'get', action: { kind: 'hang', later: 'answer' } });
      const gets = Array.from({ length: 2000 }, (_, i) => db.get(`k${i}`, { timeout: LONG }));
      const outcomes = Promise.allSettled(gets);
      await until(async () => (await hang.hits()) === gets.length, 'all are at the server');
      let closing: Promise<void> | undefined;
      db.onTopology(() => {
        closing ??= db.close({ timeout: 1 });
        keepBusy(20); // its timer is due before the next turn
      });
      await server.disconnectAll({ reset: true });
      const reasons = (await outcomes).map((each) => (each.status === 'rejected' ? each.reason : each));
      assert.ok(
        reasons.every((reason) => reason instanceof ClosedError),
        String(reasons.find((reason) => !(reason instanceof ClosedError))),
      );
      await closing;
    });

    test('has its room before a getMany goes on', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, { ...quick, maxInFlight: 1000, maxQueued: 0 });
      const { db } = opened;
      const keys = Array.from({ length: 1200 }, (_, i) => `k${i}`);
      for (let from = 0; from < keys.length; from += 600)
        await Promise.all(keys.slice(from, from + 600).map((key) => db.upsert(key, key, { timeout: LONG })));
      const hang = await server.fault({ action: { kind: 'hang', later: 'answer' } });
      const many = db.getMany(keys, { timeout: LONG });
      await until(async () => (await hang.hits()) === 1000, 'as many as may be in flight are');
      await server.clearFaults();
      await server.disconnectAll({ reset: true });
      assert.deepEqual([...(await many).values()].sort(), [...keys].sort());
    });

    test('stays before what the caller of another operation begins when that has failed', async () => {
      await using server = await startServer();
      const existing = Array.from({ length: 100 }, (_, i) => `e${i}`);
      {
        await using first = await open(server.url, model);
        await Promise.all(existing.map((key) => first.db.upsert(key, 1)));
      }
      await using base = openBase(model);
      const options = { eventBase: base, lazy: true, timeout: LONG };
      await using db = await connect(server.url, options);
      let isNew: Promise<void> | undefined;
      const inserts = existing.map((key) =>
        assert.rejects(db.insert(key, 2), (error) => {
          isNew ??= db.upsert('k', 'new').then(() => {});
          return error instanceof KeyExistsError;
        }),
      );
      const held = db.getDetails('x'); // whether the server has that is not known yet
      const isOld = db.upsert('k', 'old');
      await new Promise((resolve) => setImmediate(resolve));
      keepBusy(100); // a thread has all that by then
      await Promise.all([...inserts, held, isOld]);
      await isNew;
      assert.equal(await db.get('k'), 'new');
    });
  });
}
