import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { connect } from '../../lib/connect.ts';
import { InvalidArgumentError } from '../../lib/errors.ts';
import { startServer } from '../../lib/testing/index.ts';
import { long } from '../effort.mts';
import {
  assertNothingLeft,
  counters,
  models,
  open,
  openBase,
  rejection,
  soak,
  turn,
  until,
} from './harness.mts';

after(assertNothingLeft);

const descriptors = (): number =>
  process.platform === 'linux' ? readdirSync('/proc/self/fd').length : counters().streams;

/** Memory outside of the heap (buffers and what they pin), once everything collectable is collected. */
async function settledMemory(): Promise<number> {
  for (let i = 0; i < 5; i += 1) {
    globalThis.gc?.();
    await turn();
  }
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

for (const model of models) {
  describe(`memory on a ${model} base`, () => {
    test('opening and closing a database time and again leaves nothing behind', async () => {
      await using server = await startServer({ worker: true });
      await using base = openBase(model);
      const rounds = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i += 1) {
          const db = await connect(server.url, { eventBase: base });
          await db.upsert('k', i);
          if (i % 3 === 0) await db.get('k');
          await db.close();
        }
      };
      await rounds(100);
      const [memory, files] = [await settledMemory(), descriptors()];
      await rounds(soak ? 20_000 : long ? 2000 : 500);
      const grown = (await settledMemory()) - memory;
      assert.ok(grown < (long || soak ? 8 : 4) << 20, `grew by ${grown >> 20} MiB`);
      assert.ok(descriptors() <= files + 2, `${descriptors()} descriptors, ${files} before`);
      assert.deepEqual({ ...counters(), bases: 0, threads: 0 }, zeros);
    });

    test('opening and closing bases leaves nothing behind', async () => {
      await using server = await startServer({ worker: true });
      const { bases } = counters();
      const rounds = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i += 1) {
          const { db, base } = await open(server.url, model);
          await db.get('k');
          // Both orders: the base under an open database, and the database first.
          if (i % 2 === 0) await base.close();
          await db.close();
          await base.close();
        }
      };
      await rounds(50);
      const [memory, files] = [await settledMemory(), descriptors()];
      await rounds(soak ? 5000 : long ? 500 : 150);
      const grown = (await settledMemory()) - memory;
      assert.ok(grown < 8 << 20, `grew by ${grown >> 20} MiB`);
      assert.ok(descriptors() <= files, `${descriptors()} descriptors, ${files} before`);
      assert.equal(counters().bases, bases);
    });

    test('a value transferred away right after the call rejects cleanly, and the client goes on', async () => {
      await using server = await startServer({ maxItemBytes: 4 << 20 });
      await using opened = await open(server.url, model);
      const { db } = opened;
      for (let i = 0; i < 30; i += 1) {
        const value = new Uint8Array(1 << 20).fill(i);
        const kept = db.upsert('kept', Buffer.alloc(100_000, i));
        const sent = db.upsert('moved', value).then(
          () => undefined,
          (error: unknown) => error,
        );
        const moved = structuredClone(value, { transfer: [value.buffer] });
        assert.equal(value.length, 0);
        const error = await sent;
        if (model === 'thread') {
          // It was copied at the call.
          assert.equal(error, undefined);
          const stored = await db.get<Buffer>('moved');
          assert.ok(stored?.equals(Buffer.alloc(1 << 20, i)));
        } else {
          assert.ok(error instanceof InvalidArgumentError, String(error));
          assert.equal(error.context.argument, 'value');
          assert.match(error.message, /transferred/);
        }
        await kept;
        assert.equal(moved[0], i);
      }
      assert.equal(counters().payloads, 0);
    });

    test('a value transferred away while half of it is written harms no other operation for good', async () => {
      await using server = await startServer({ maxItemBytes: 64 << 20, maxBytes: 256 << 20 });
      await using opened = await open(server.url, model);
      const { db } = opened;
      await db.upsert('before', 'b');
      for (let i = 0; i < 5; i += 1) {
        await server.pause();
        const value = new Uint8Array(30 << 20).fill(i + 1);
        const written = db.upsert('big', value, { timeout: 20_000 }).then(
          () => true,
          (error: unknown) => error,
        );
        await turn();
        await turn(); // the kernel has taken what it takes
        const read = db.get('before', { timeout: 20_000 });
        structuredClone(value, { transfer: [value.buffer] });
        await server.resume();
        const outcome = await written;
        if (model === 'host') assert.ok(outcome instanceof InvalidArgumentError, String(outcome));
        else assert.equal(outcome, true);
        assert.equal(await read, 'b');
      }
      // What is stored is a whole value, never a mixture.
      const stored = await db.get<Buffer>('big');
      assert.ok(stored === undefined || (model === 'thread' && stored.every((byte) => byte === 5)));
    });

    test('the memory of an outage is what its values need, and is given back', async () => {
      await using base = openBase(model);
      const options = { lazy: true, timeout: 300, eventBase: base };
      const db = await connect('memcached://127.0.0.1:1', options);
      for (const [length, count] of [
        [100_000, 500],
        [10_000, 5000],
      ] as const) {
        const waiting = Array.from({ length: count }, () => db.upsert('k', 'x'.repeat(length)));
        const ended = Promise.all(waiting.map(rejection));
        const needed = length * count;
        const { mappedBytes } = counters();
        assert.ok(
          mappedBytes > needed * 0.9 && mappedBytes < needed * 2.2,
          `${mappedBytes} for ${needed} bytes`,
        );
        await ended;
        await until(() => counters().mappedBytes < 32 << 20, 'the memory is given back');
      }
      await db.close();
      assert.equal(counters().mappedBytes, 0);
    });

    test('values given up before they were sent are not kept', async () => {
      await using server = await startServer({ maxItemBytes: 4 << 20 });
      await using opened = await open(server.url, model, { maxInFlight: 4 });
      const { db } = opened;
      await server.pause();
      const memory = await settledMemory();
      for (let i = 0; i < 40; i += 1) {
        const abort = new AbortController();
        const signal = abort.signal;
        const given = Array.from({ length: 10 }, (_, j) =>
          db.upsert(`k${j}`, Buffer.alloc(1 << 20), { signal }),
        );
        const ended = Promise.all(given.map(rejection));
        await turn();
        abort.abort();
        await ended;
      }
      // What is not freed at once is little, and all the kernel has not taken of the first is the rest of one value.
      await until(() => counters().payloads <= 6, 'the payloads are released');
      assert.ok((await settledMemory()) - memory < 16 << 20);
      await server.resume();
      await until(() => counters().payloads === 0, 'the last payloads are released');
      assert.equal(await db.get('nothing'), undefined);
    });
  });
}

const zeros = Object.fromEntries(Object.keys(counters()).map((name) => [name, 0]));
