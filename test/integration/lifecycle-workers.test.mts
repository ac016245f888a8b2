import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import type { Database } from '../../lib/database.ts';
import { startServer, type TestServer } from '../../lib/testing/index.ts';
import { long } from '../effort.mts';
import { inProcess, inWorker, messageOf } from '../faults/elsewhere.mts';
import { assertNothingLeft, counters, keepBusy, models, open, rejection, soak } from '../faults/harness.mts';
import { succeedsAtTimes } from '../loop-time.mts';

let server: TestServer;
before(async () => {
  server = await startServer();
});
after(async () => {
  await server.close();
  await assertNothingLeft();
});

for (const model of models) {
  describe(`workers with ${model} bases`, () => {
    test('several at once work, each with bases of its own', async () => {
      await using opened = await open(server.url, model);
      const workers = Array.from({ length: 4 }, (_, index) =>
        inWorker(
          async ({ evenkeel, workers }, { url, model, index }) => {
            const { EventBase, connect } = evenkeel;
            const bases = [model === 'host' ? EventBase.host : EventBase.create(), EventBase.create()];
            const db = await connect(url, { eventBase: bases[0] });
            let wrong = 0;
            for (let i = 0; i < 200; i += 1) {
              const view = db.via(bases[i % 2] as (typeof bases)[number]);
              const keys = Array.from({ length: 10 }, (_, j) => `w${index}-${i}-${j}`);
              await Promise.all(keys.map((key) => view.upsert(key, `value of ${key}`)));
              const found = await Promise.all(keys.map((key) => view.get(key)));
              wrong += found.filter((value, j) => value !== `value of ${keys[j]}`).length;
            }
            await db.close();
            await Promise.all(bases.map((base) => base.close()));
            workers.parentPort?.postMessage(wrong);
          },
          { url: server.url, model, index },
        ),
      );
      const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
      const mine = (async () => {
        for (let i = 0; i < 200; i += 1) {
          await opened.db.upsert('mine', i);
          assert.equal(await opened.db.get('mine'), i);
        }
      })();
      assert.deepEqual(await Promise.all(workers.map((worker) => messageOf<number>(worker))), [0, 0, 0, 0]);
      assert.deepEqual(await ended, [[0], [0], [0], [0]]);
      await mine;
    });

    test('one that ends by itself leaves nothing, with everything still open', async () => {
      const before = counters();
      const worker = inWorker(
        async ({ evenkeel }, { url, model }) => {
          const { EventBase, connect } = evenkeel;
          const base = model === 'host' ? EventBase.host : EventBase.create();
          const db = await connect(url, { eventBase: base });
          await db.upsert('k', Buffer.alloc(100_000));
          await db.get('k');
          base.timer(60_000, () => {});
          base.signal('SIGUSR2', () => {});
        },
        { url: server.url, model },
      );
      assert.deepEqual(await once(worker, 'exit'), [0]);
      assert.deepEqual(counters(), before);
    });

    const rounds = soak ? 2000 : long ? 200 : 24;
    test(`terminated ${rounds} times with operations under way`, async () => {
      await using shared = await startServer();
      await using opened = await open(shared.url, model);
      const { db } = opened;
      await db.upsert('large', Buffer.alloc(300_000, 7));
      const before = counters();
      const run = async (round: number): Promise<void> => {
        const worker = inWorker(
          async ({ evenkeel, workers }, { url, model, round }) => {
            const { EventBase, connect } = evenkeel;
            const base = model === 'host' ? EventBase.host : EventBase.create();
            if (round % 5 === 0) workers.parentPort?.postMessage('terminate me while connecting');
            const db = await connect(url, { eventBase: base });
            base.timer(60_000, () => {});
            const ignore = (): void => {};
            const work = (): void => {
              if (db.closed || base.closed) return;
              // More answers at once than a thread base tells of in one go.
              for (let i = 0; i < 200; i += 1) db.get('small').then(ignore, ignore);
              for (let i = 0; i < 20; i += 1) {
                db.get('large').then(ignore, ignore);
                db.upsert(`w${i}`, Buffer.alloc(i === 0 ? 200_000 : 50)).then(ignore, ignore);
                base.timer(i % 3, ignore);
              }
              if (round % 3 === 0) db.get('large').then(work, ignore);
              else setImmediate(work);
            };
            work();
            if (round % 7 === 0) void db.close();
            if (round % 11 === 0) void base.close();
            setImmediate(() => workers.parentPort?.postMessage('under way'));
          },
          { url: shared.url, model, round },
        );
        await messageOf(worker);
        await worker.terminate();
      };
      for (let round = 0; round < rounds; round += 4) {
        await Promise.all([0, 1, 2, 3].map((lane) => run(round + lane)));
        assert.equal((await db.get<Buffer>('large'))?.length, 300_000); // the main thread goes on meanwhile
      }
      assert.deepEqual(counters(), before);
    });

    test('terminated between two halves of the answers that were there', async () => {
      await using shared = await startServer();
      const worker = inWorker(
        async ({ evenkeel, workers }, { url, model }) => {
          const { EventBase, connect } = evenkeel;
          const db = await connect(url, {
            eventBase: model === 'host' ? EventBase.host : EventBase.create(),
          });
          const gets = Array.from({ length: 2000 }, () => db.get('k'));
          void gets[0]?.then(() => {
            workers.parentPort?.postMessage('half way');
            for (;;); // until it is terminated
          });
          // What is called leaves at the end of the tick, and all answers come while nobody takes them.
          queueMicrotask(() =>
            process.nextTick(() => {
              const end = performance.now() + 200;
              while (performance.now() < end);
            }),
          );
        },
        { url: shared.url, model },
      );
      await messageOf(worker);
      await worker.terminate();
    });

    test('terminated as the only threads that loaded the addon, then the process ends', async () => {
      const ended = await inProcess(
        async ({ workers, say }, { url, model, dist }) => {
          for (let i = 0; i < 10; i += 1) {
            const worker = new workers.Worker(
              `const { connect, EventBase } = require(${JSON.stringify(dist)});
               const base = ${JSON.stringify(model)} === 'host' ? EventBase.host : EventBase.create();
               connect(${JSON.stringify(url)}, { eventBase: base }).then((db) => {
                 for (let i = 0; i < 100; i += 1) db.get('k' + i).catch(() => {});
                 require('node:worker_threads').parentPort.postMessage('under way');
               });`,
              { eval: true },
            );
            await new Promise((resolve) => worker.once('message', resolve));
            await worker.terminate();
          }
          say('done');
        },
        { url: server.url, model, dist: new URL('../../dist/index.js', import.meta.url).pathname },
      );
      assert.deepEqual([ended.code, ended.signal, ended.lines], [0, null, ['done']], ended.stderr);
    });

    test('process.exit() in the main thread and in a worker ends both at once', async () => {
      for (const place of ['main', 'worker'] as const) {
        const ended = await inProcess(
          async ({ workers }, { url, model, place, dist }) => {
            const worker = new workers.Worker(
              `const { connect, EventBase } = require(${JSON.stringify(dist)});
               const base = ${JSON.stringify(model)} === 'host' ? EventBase.host : EventBase.create();
               connect(${JSON.stringify(url)}, { eventBase: base }).then((db) => {
                 const work = () => db.get('k').then(work, () => {});
                 for (let i = 0; i < 100; i += 1) work();
                 base.timer(5, () => {
                   if (${JSON.stringify(place)} === 'worker') process.exit(3);
                   require('node:worker_threads').parentPort.postMessage('under way');
                 });
               });`,
              { eval: true },
            );
            worker.once('message', () => process.exit(4));
            worker.once('exit', (code) => process.exit(code));
          },
          { url: server.url, model, place, dist: new URL('../../dist/index.js', import.meta.url).pathname },
        );
        assert.deepEqual([ended.code, ended.signal], [place === 'main' ? 4 : 3, null], ended.stderr);
      }
    });
  });
}

describe('a busy JavaScript thread', () => {
  /** Whether the server, in a thread of its own, answers everything within a deadline that passes while this one is busy. */
  async function allAnsweredWhileBusy(db: Database): Promise<boolean> {
    const results = Promise.allSettled(Array.from({ length: 500 }, () => db.get('k', { timeout: 150 })));
    queueMicrotask(() => process.nextTick(() => keepBusy(200)));
    return (await results).every(({ status }) => status === 'fulfilled');
  }

  test('does not make operations of a thread base late whose answers came in time', async () => {
    await using other = await startServer({ worker: true });
    await using opened = await open(other.url, 'thread');
    await opened.db.upsert('k', 'v');
    // What is called leaves at the end of the tick; the answers come while nobody is there to hear of them.
    await succeedsAtTimes(() => allAnsweredWhileBusy(opened.db));
  });

  test('is no excuse on a thread base: what was not answered in time is late', async () => {
    await using silent = await startServer({ worker: true });
    await silent.fault({ opcode: 'get', action: { kind: 'delay', ms: 2000 } });
    await using opened = await open(silent.url, 'thread');
    const late = rejection(opened.db.get('k', { timeout: 50 }));
    process.nextTick(() => keepBusy(200));
    assert.match((await late).message, /deadline/);
  });

  test('on a host base, answers that came during the busy time count even if the deadline passed meanwhile', async () => {
    await using other = await startServer({ worker: true });
    await using opened = await open(other.url, 'host');
    await opened.db.upsert('k', 'v');
    // The loop looks at the sockets before it looks at the clock.
    await succeedsAtTimes(() => allAnsweredWhileBusy(opened.db));
  });
});
