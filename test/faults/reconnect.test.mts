import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import type { BaseView } from '../../lib/database.ts';
import { ConnectionError, TimeoutError } from '../../lib/errors.ts';
import { Opcode, startServer } from '../../lib/testing/index.ts';
import { takes } from '../loop-time.mts';
import { assertNothingLeft, models, open, openBase, rejection, story, turn, until } from './harness.mts';
import { RawServer } from './raw-server.mts';

after(assertNothingLeft);

const quick = { backoff: { min: 1, max: 10 } };

/** Resolves when the client knows that its connection is gone. */
const noticed = (view: BaseView): Promise<void> =>
  until(async () => {
    const found = await view.get('any', { timeout: 5 }).catch(story);
    return typeof found === 'string' && found.includes('not connected');
  }, 'the outage shows');

for (const model of models) {
  describe(`a client on a ${model} base`, () => {
    test('recovers when its server comes back at the same address, time and again', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, quick);
      const { db } = opened;
      for (let i = 0; i < 20; i += 1) {
        await db.upsert('k', i, { timeout: 60_000 });
        await server.restart({ keepData: i % 2 === 0, reset: i % 3 === 0 });
        assert.equal(await db.get('k', { timeout: 60_000 }), i % 2 === 0 ? i : undefined);
      }
    });

    test('keeps what is called during an outage, in order, and sends it when the server is back', async () => {
      await using server = await startServer({ record: true });
      await using opened = await open(server.url, model, quick);
      const { db } = opened;
      await server.stop();
      await noticed(db);
      const results = Promise.all([
        ...Array.from({ length: 100 }, (_, i) => db.upsert(`k${i}`, i, { timeout: 20_000 })),
        ...Array.from({ length: 100 }, (_, i) => db.get(`k${i}`, { timeout: 20_000 })),
        db.increment('n', { initial: 5n, timeout: 20_000 }),
      ]);
      await turn();
      await server.restart();
      const values = (await results).slice(100);
      assert.deepEqual(values, [...Array.from({ length: 100 }, (_, i) => i), 5n]);
      const sets = (await server.commands()).filter(({ opcode }) => opcode === Opcode.set);
      assert.deepEqual(
        sets.map(({ key }) => key.toString()),
        Array.from({ length: 100 }, (_, i) => `k${i}`),
      );
    });

    test('what waits in an outage longer than its deadline fails with the reason of the outage', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, quick);
      await server.stop();
      await noticed(opened.db);
      const error = await rejection(opened.db.upsert('k', 1, { timeout: 150 }));
      assert.ok(error instanceof TimeoutError, String(error));
      assert.equal(error.ambiguous, false); // it never left
      assert.match(story(error), /ECONNREFUSED|ECONNRESET|closed the connection/);
      await server.restart();
      await opened.db.upsert('k', 1, { timeout: 60_000 });
    });

    test('with offlineQueue: false it fails at once while there is no connection', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, { ...quick, offlineQueue: false });
      const { db } = opened;
      await db.upsert('k', 'v');
      await server.stop();
      let error: Error | undefined;
      await until(async () => {
        error = await rejection(db.upsert('k', 1, { timeout: 60_000 }));
        return story(error).includes('not connected');
      }, 'the client notices');
      assert.ok(error instanceof ConnectionError);
      assert.equal(error.ambiguous, false);
      assert.equal(error.retryable, true);
      assert.match(story(error), /ECONNREFUSED|ECONNRESET|closed the connection/);
      await server.restart({ keepData: true });
      await until(async () => (await db.get('k').catch(() => undefined)) === 'v', 'it recovers');
    });

    test('reads lost in flight are made again', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, quick);
      const { db } = opened;
      await Promise.all(Array.from({ length: 100 }, (_, i) => db.upsert(`k${i}`, i)));
      for (let round = 0; round < 10; round += 1) {
        const fault = await server.fault({
          opcode: 'get',
          nth: 1 + round,
          times: 1,
          action: { kind: 'reset' },
        });
        const found = await Promise.all(Array.from({ length: 100 }, (_, i) => db.get(`k${i}`)));
        assert.deepEqual(
          found,
          found.map((_, i) => i),
        );
        assert.equal(await fault.hits(), 1);
      }
    });

    test('a read that is lost again and again is late at its deadline and not before', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, { backoff: { min: 1, max: 1 } });
      await server.fault({ opcode: 'get', action: { kind: 'reset' } });
      for (const timeout of [100, 300]) {
        await takes(opened.base, timeout - 1, timeout + 250, async () => {
          const error = await rejection(opened.db.get('k', { timeout }));
          assert.ok(error instanceof TimeoutError);
          assert.ok(error.context.attempts !== undefined && error.context.attempts > 1);
          assert.match(story(error.cause), /ECONNRESET|closed the connection/);
        });
      }
    });

    test('reads lost in flight are made again even when they fill the client to its bounds', async () => {
      await using server = await startServer();
      const bounds = { maxInFlight: 16, maxQueued: 0 };
      await using opened = await open(server.url, model, { ...quick, ...bounds });
      const { db } = opened;
      await Promise.all(Array.from({ length: 16 }, (_, i) => db.upsert(`k${i}`, i)));
      for (let round = 0; round < 10; round += 1) {
        const fault = await server.fault({
          opcode: 'get',
          nth: 1 + round,
          times: 1,
          action: { kind: 'reset' },
        });
        const found = await Promise.all(Array.from({ length: 16 }, (_, i) => db.get(`k${i}`)));
        assert.deepEqual(
          found,
          found.map((_, i) => i),
        );
        assert.equal(await fault.hits(), 1);
      }
    });

    test('mutations lost in flight are rejected as ambiguous and never executed twice', async () => {
      await using server = await startServer({ record: true });
      await using opened = await open(server.url, model, quick);
      const { db } = opened;
      let rejected = 0;
      let done = 0;
      for (let round = 0; round < 20; round += 1) {
        const when = round % 2 === 0 ? 'after' : 'before';
        await server.fault({ opcode: 'increment', nth: 5, times: 1, action: { kind: 'reset', when } });
        const outcomes = await Promise.allSettled(
          Array.from({ length: 10 }, (_, i) =>
            db.increment(`n${round}-${i}`, { initial: 1n, timeout: 60_000 }),
          ),
        );
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') {
            done += 1;
            assert.equal(outcome.value, 1n);
            continue;
          }
          rejected += 1;
          assert.ok(outcome.reason instanceof ConnectionError, String(outcome.reason));
          assert.equal(outcome.reason.ambiguous, true);
        }
        await server.clearFaults();
      }
      assert.ok(rejected >= 20 && done > 0, `${rejected} rejected, ${done} done`);
      const counts = new Map<string, number>();
      for (const { opcode, key } of await server.commands()) {
        if (opcode === Opcode.increment) counts.set(key.toString(), (counts.get(key.toString()) ?? 0) + 1);
      }
      assert.equal(Math.max(...counts.values()), 1);
      for (let round = 0; round < 20; round += 1) {
        for (let i = 0; i < 10; i += 1) {
          const value = await db.get(`n${round}-${i}`);
          assert.ok(value === undefined || String(value).trim() === '1');
        }
      }
    });

    test('a mutation of which only a part was written is sent anew, and executed once', async () => {
      await using server = await startServer({ record: true, maxItemBytes: 32 << 20, maxBytes: 128 << 20 });
      await using opened = await open(server.url, model, quick);
      const { db } = opened;
      await server.pause();
      const value = Buffer.alloc(20 << 20, 'part');
      const written = db.upsert('big', value, { timeout: 30_000 });
      await turn();
      await turn();
      await server.restart({ reset: true });
      await server.resume();
      await written;
      assert.ok((await db.get<Buffer>('big', { timeout: 30_000 }))?.equals(value));
      const sets = (await server.commands()).filter(({ opcode }) => opcode === Opcode.set);
      assert.equal(sets.length, 1);
    });

    for (const protocol of ['binary', 'auto'] as const)
      test(`pauses between its attempts grow from min to max and stay there, protocol ${protocol}`, async () => {
        const times: number[] = [];
        await using server = await RawServer.start({
          accept: (socket) => {
            times.push(performance.now());
            socket.destroy();
          },
        });
        await using base = openBase(model);
        const backoff = { min: 8, max: 64 };
        const start = performance.now();
        const options = { eventBase: base, lazy: true, backoff, timeout: 60_000, protocol };
        const db = await connect(server.url, options);
        const waiting = rejection(db.get('k'));
        await until(() => times.length >= 24, 'two dozen attempts');
        await db.close({ timeout: 1 });
        await waiting;
        // The last one may be one that is still to be accepted.
        await turn();
        await turn();
        const attempts = times.length;
        // Each attempt is at least half of what is due after the one before; how much later it is seen is the machine's business.
        const tooEarly = (switched?: number) => {
          let earliest = start;
          let pauses = 0;
          return times.findIndex((time, i) => {
            const isTooEarly = time < earliest;
            // Who does not speak the one protocol is asked in the other at once, for once only, and the pauses begin anew.
            if (i === switched) pauses = 0;
            else earliest += Math.min(64, 8 * 2 ** pauses++) / 2 - 2;
            return isTooEarly;
          });
        };
        // The loop may have been too slow for that to come before a second attempt in the one protocol.
        const found = protocol === 'auto' ? [0, 1, 2, 3].map(tooEarly) : [tooEarly()];
        assert.ok(
          found.includes(-1),
          `attempts too early: ${found}, of ${times.map((time) => time - start)}`,
        );
        await new Promise((resolve) => setTimeout(resolve, 70));
        assert.equal(server.connections, attempts); // none after close
      });

    test('no more than one connection at a time, however many operations wait', async () => {
      await using server = await startServer();
      await using opened = await open(server.url, model, quick);
      const { db } = opened;
      for (let i = 0; i < 5; i += 1) {
        const many = Promise.all(Array.from({ length: 500 }, (_, j) => db.get(`k${j}`)));
        await server.disconnectAll({ reset: true });
        await many;
        assert.equal(await server.connections(), 1);
      }
    });
  });
}
