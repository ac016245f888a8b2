import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type Database, defineClass, field } from '../../lib/index.ts';
import { inProcess, inWorker, messageOf } from '../faults/elsewhere.mts';
import { Directory } from './embedded.mts';

const Text = defineClass('Text', { key: 'id', fields: { id: field.uint32(), text: field.string() } });
const classes = [Text] as const;
const MIB = 1 << 20;

/** About 100 KB, again and again the same records. */
async function write(db: Database<typeof classes>, times: number): Promise<void> {
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
});
