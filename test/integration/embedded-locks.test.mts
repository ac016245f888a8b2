import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { defineClass, field } from '../../lib/index.ts';
import { long } from '../effort.mts';
import { inProcess, inWorker, messageOf } from '../faults/elsewhere.mts';
import { until } from '../faults/harness.mts';
import { Directory } from './embedded.mts';

const Item = defineClass('Item', { key: 'id', fields: { id: field.uint32() } });

/** How often each thread opens the directory. */
const OPENINGS = long ? 25 : 2;
const PROCESSES = 2;
const WORKERS = 2;

const onLinux = { skip: process.platform !== 'linux' && 'needs /proc' };

/**
 * The locks that the kernel knows of on the directory's lock file, of this process or of an open file of it. The kernel
 * tells them a page at a time: while other processes lock and unlock, one can be told twice, and another one not at all.
 */
async function locks(directory: Directory): Promise<Set<string>> {
  const { ino } = await stat(join(directory.path, 'lock.mdb'));
  const lines = (await readFile('/proc/locks', 'latin1')).split('\n').map((line) => line.split(/\s+/));
  const own = lines.filter(
    (parts) => [String(process.pid), '-1'].includes(String(parts[4])) && parts[5]?.endsWith(`:${ino}`),
  );
  return new Set(own.map((parts) => parts.slice(1).join(' ')));
}

async function openElsewhere(directory: Directory, options: object = {}): Promise<void> {
  const worker = inWorker(
    async ({ evenkeel, workers }, { url, options }) => {
      const opened = await evenkeel.connect(url as 'embedded:', options).then(
        (db) => db.close(),
        (error: Error) => error.message,
      );
      workers.parentPort?.postMessage(opened ?? 'closed');
    },
    { url: directory.url as string, options },
  );
  const ended = once(worker, 'exit');
  assert.equal(await messageOf(worker), 'closed');
  await ended;
}

describe('the locks of a process on a directory', () => {
  test('outlive what its other threads open and close', onLinux, async () => {
    await using directory = await Directory.make();
    await using db = await directory.open();
    await db.get('k');
    let held = await locks(directory);
    // That somebody has it open, and that this process reads.
    await until(
      async () => {
        held = await locks(directory);
        return held.size >= 2;
      },
      () => `two locks, but ${[...held]}`,
    );
    await openElsewhere(directory);
    await openElsewhere(directory, { readOnly: true });
    // A lock that is gone does not come back.
    const areHeld = async (): Promise<boolean> => {
      const now = await locks(directory);
      return [...held].every((lock) => now.has(lock));
    };
    await until(areHeld, `all of ${[...held]}`);
  });

  const disturbances: Record<string, (directory: Directory) => unknown> = {
    'a worker has closed': openElsewhere,
    'the program has copied the files': async ({ path }) => {
      await using copy = await Directory.make();
      await cp(path, copy.path, { recursive: true });
      for (const name of await readdir(path)) await readFile(join(path, name));
    },
  };
  for (const [when, disturb] of Object.entries(disturbances))
    test(`have another process wait for what is prepared in this one, after ${when}`, async () => {
      await using directory = await Directory.make();
      await using db = await directory.open({ classes: [Item] });
      await db.upsert('read', 'by this process');
      await disturb(directory);
      const prepared = await db.prepare((tx) => tx.records(Item).insert({ id: 1 }), { timeout: 60_000 });
      const other = inProcess(async ({ evenkeel }, url) => {
        const db = await evenkeel.connect(url as 'embedded:', { timeout: 60_000 });
        for (let i = 0; i < 10; i += 1) await db.upsert(`k${i}`, i);
        await db.close();
      }, directory.url as string);
      // Time to write in, for one that does not wait.
      await setTimeout(500);
      await prepared.commit();
      const ended = await other;
      assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr);
      assert.deepEqual(await db.records(Item).find().all(), [{ id: 1 }]);
      for (let i = 0; i < 10; i += 1) assert.equal(await db.get(`k${i}`), i);
      assert.equal(await db.get('read'), 'by this process');
    });

  test('hold while threads of several processes open, write and close: what they were told of is there', {
    timeout: 60_000 + OPENINGS * 10_000,
  }, async () => {
    await using directory = await Directory.make();
    await using db = await directory.open({ classes: [Item] });
    /** Opens, writes and closes, as often as it is told; what it was told is committed. */
    const thread = async (
      evenkeel: typeof import('../../lib/index.ts'),
      url: string,
      first: number,
      times: number,
    ) => {
      const Item = evenkeel.defineClass('Item', { key: 'id', fields: { id: evenkeel.field.uint32() } });
      const ids: number[] = [];
      let counted = 0;
      for (let i = 0; i < times; i += 1) {
        const db = await evenkeel.connect(url as 'embedded:', { classes: [Item], timeout: 60_000 });
        const writes = Array.from({ length: 20 }, async (_, j) => {
          const id = first + i * 20 + j;
          await db.increment('count', { initial: 1 });
          counted += 1;
          await db.records(Item).insert({ id });
          ids.push(id);
          await db.transaction(async (tx) => tx.upsert('sum', ((await tx.get<number>('sum')) ?? 0) + 1), {
            retries: 1000,
          });
        });
        await Promise.all(writes);
        await db.close();
      }
      return { ids, counted };
    };
    const processes = Array.from({ length: PROCESSES }, (_, i) =>
      inProcess(
        async ({ evenkeel, workers, say }, { url, body, first, times, count }) => {
          const run = new Function(`return ${body}`)() as typeof thread;
          const source = `
            globalThis.__name = (each) => each;
            const { workerData, parentPort } = require('node:worker_threads');
            const run = ${body};
            run(require(workerData.module), workerData.url, workerData.first, workerData.times)
              .then((told) => parentPort.postMessage(told));`;
          const module = Object.keys(require.cache).find((each) => /dist.index\.js$/.test(each));
          // This thread has it open all the time, and reads.
          const db = await evenkeel.connect(url as 'embedded:');
          const others = Array.from({ length: count }, (_, i) => {
            const workerData = { module, url, first: first + (i + 1) * 100_000, times };
            const worker = new workers.Worker(source, { eval: true, workerData });
            return new Promise((resolve, reject) => {
              worker.once('message', resolve).once('error', reject);
            });
          });
          const all = [...others, run(evenkeel, url, first, times)];
          let isOver = false;
          const told = Promise.all(all).finally(() => {
            isOver = true;
          });
          while (!isOver) {
            await db.get('count');
            await new Promise((resolve) => setImmediate(resolve));
          }
          say(JSON.stringify(await told));
          await db.close();
        },
        {
          url: directory.url as string,
          body: thread.toString(),
          first: (i + 1) * 1_000_000,
          times: OPENINGS,
          count: WORKERS,
        },
        ':',
        60_000 + OPENINGS * 10_000,
      ),
    );
    const ids: number[] = [];
    let counted = 0;
    for (const { code, signal, stderr, lines } of await Promise.all(processes)) {
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
      for (const told of JSON.parse(lines[0] ?? '[]') as Awaited<ReturnType<typeof thread>>[]) {
        ids.push(...told.ids);
        counted += told.counted;
      }
    }
    assert.equal(counted, PROCESSES * (WORKERS + 1) * OPENINGS * 20);
    assert.equal(await db.get('sum'), counted);
    assert.equal(await db.increment('count', { delta: 0 }), BigInt(counted));
    const found = (await db.records(Item).find().all()).map(({ id }) => id);
    assert.deepEqual(
      found,
      ids.sort((a, b) => a - b),
    );
  });
});

describe('the threads of a process', () => {
  test('share how the directory is open: what would break a promise is refused', async () => {
    await using directory = await Directory.make();
    const outcome = async (options: object): Promise<unknown> => {
      const worker = inWorker(
        async ({ evenkeel, workers }, { url, options }) => {
          const outcome = await evenkeel.connect(url as 'embedded:', options).then(
            (db) => db.close(),
            (error: { code?: string; message: string }) => `${error.code} ${error.message}`,
          );
          workers.parentPort?.postMessage(outcome ?? 'opened');
        },
        { url: directory.url as string, options },
      );
      return messageOf(worker);
    };
    const refused = /^EVENKEEL_INVALID_ARGUMENT durability: another thread .* durability none/;
    {
      await using _ = await directory.open({ durability: 'none' });
      assert.match(String(await outcome({})), refused);
      assert.equal(await outcome({ durability: 'none' }), 'opened');
      assert.equal(await outcome({ readOnly: true }), 'opened');
    }
    {
      await using _ = await directory.open({ readOnly: true });
      assert.match(String(await outcome({})), /^EVENKEEL_INVALID_ARGUMENT readOnly: another thread/);
      assert.equal(await outcome({ readOnly: true }), 'opened');
    }
    assert.equal(await outcome({}), 'opened');
  });
});
