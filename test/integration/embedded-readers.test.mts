import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connect, type Database, defineClass, field, onNew } from '../../lib/index.ts';
import { inProcess, inWorker, messageOf } from '../faults/elsewhere.mts';
import { Directory } from './embedded.mts';
import { until } from './harness.mts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const Text = defineClass('Text', {
  key: 'id',
  fields: { id: field.uint32(), text: field.string() },
  events: [onNew()],
});
const classes = [Text] as const;
type Db = Database<typeof classes>;
const MIB = 1 << 20;

/** About 100 KB, again and again the same records. */
async function write(db: Db, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1)
    await db.transaction(async (tx) => {
      for (let id = 0; id < 50; id += 1)
        await tx.records(Text).upsert({ id, text: String(n % 10).repeat(2000) });
    });
}

/** How much larger the file is after that than before. What is kept for somebody makes it about 0.5 MiB each time. */
async function growthOf(directory: Directory, work: () => Promise<void>): Promise<number> {
  const before = statSync(directory.file).size;
  await work();
  return (statSync(directory.file).size - before) / MIB;
}

describe('what somebody was reading', () => {
  test('is given back when its process is killed', async () => {
    await using directory = await Directory.make();
    await using db = await directory.open({ classes, durability: 'none' });
    await write(db, 20);
    const reader = await inProcess(async ({ evenkeel }, url) => {
      const reading = await evenkeel.connect(url, { durability: 'none' });
      const [Text] = reading.classes as unknown as [Parameters<typeof reading.records>[0]];
      for await (const _ of reading.records(Text).find()) process.kill(process.pid, 'SIGKILL');
    }, directory.url);
    assert.equal(reader.signal, 'SIGKILL');
    assert.ok((await growthOf(directory, () => write(db, 100))) < 10);
  });

  test('is given back when its worker is terminated', async () => {
    await using directory = await Directory.make();
    await using db = await directory.open({ classes, durability: 'none' });
    await write(db, 20);
    const worker = inWorker(async ({ evenkeel, workers }, url) => {
      const reading = await evenkeel.connect(url, { durability: 'none' });
      const [Text] = reading.classes as unknown as [Parameters<typeof reading.records>[0]];
      for await (const _ of reading.records(Text).find()) {
        workers.parentPort?.postMessage('reading');
        await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
      }
    }, directory.url);
    await messageOf(worker);
    await worker.terminate();
    assert.ok((await growthOf(directory, () => write(db, 100))) < 10);
  });

  const forgotten: Record<string, (db: Db) => Promise<unknown>> = {
    'a loop': (db) => db.records(Text).find()[Symbol.asyncIterator]().next(),
    'a transaction': async (db) => {
      let begun = (): void => {};
      const isBegun = new Promise<void>((resolve) => {
        begun = resolve;
      });
      void db.transaction(async (tx) => {
        await tx.records(Text).find()[Symbol.asyncIterator]().next();
        begun();
        await new Promise(() => {});
      });
      await isBegun;
    },
  };
  for (const [name, forget] of Object.entries(forgotten)) {
    test(`is given back when ${name} is forgotten and collected`, async () => {
      await using directory = await Directory.make();
      await using db = await directory.open({ classes, durability: 'none' });
      await write(db, 20);
      for (let i = 0; i < 3; i += 1) {
        await forget(db);
        await write(db, 1);
      }
      await until(async () => {
        collectGarbage();
        await delay(50);
        return (await growthOf(directory, () => write(db, 40))) < 3;
      });
    });
  }

  test('is given back before reading is refused for it', async () => {
    await using directory = await Directory.make();
    await using db = await directory.open({ classes, durability: 'none' });
    const texts = db.records(Text);
    for (let id = 0; id < 600; id += 1) {
      await texts.upsert({ id, text: '' });
      await texts.find()[Symbol.asyncIterator]().next();
    }
    assert.equal(await texts.find().count(), 600);
  });
});

describe('what is read for too long', () => {
  test('is told once for each place, with that place', async () => {
    await using db = await connect('embedded:', { classes, snapshotWarning: 20 });
    for (let id = 0; id < 1000; id += 1) await db.records(Text).insert({ id, text: '' });
    const warnings: (Error & { readonly code?: string; readonly detail?: string })[] = [];
    const listen = (warning: Error): void => {
      if (warning.name === 'EvenkeelWarning') warnings.push(warning);
    };
    process.on('warning', listen);
    async function beginALoop(): Promise<AsyncIterator<unknown>> {
      const loop = db.records(Text).find()[Symbol.asyncIterator]();
      await loop.next();
      return loop;
    }
    const loops = [await beginALoop(), await beginALoop()];
    let end = (): void => {};
    const isOver = new Promise<void>((resolve) => {
      end = resolve;
    });
    const transaction = db.transaction(() => isOver);
    const subscription = await db.events.durable('slow', Text, () => isOver, { from: { snapshot: true } });
    await until(() => warnings.length >= 3);
    await delay(100);
    process.off('warning', listen);
    const about = warnings.map(({ message }) => /: (.*) has read one state/.exec(message)?.[1]);
    assert.deepEqual(about.sort(), ['a subscription to Text', 'a transaction', 'find() of Text']);
    for (const { code, detail } of warnings) {
      assert.equal(code, 'EVENKEEL_HELD');
      assert.match(String(detail), /embedded-readers\.test/);
    }
    end();
    await transaction;
    await subscription.close();
    for (const loop of loops) await loop.return?.();
  });
});
