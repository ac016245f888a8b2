import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  type BackupOptions,
  type BackupProgress,
  connect,
  type Database,
  defineClass,
  EpochMismatchError,
  field,
  InvalidArgumentError,
  onNew,
  StorageError,
  UnsupportedError,
} from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { Directory } from './embedded.mts';

const Pair = defineClass('Pair', {
  key: 'id',
  fields: { id: field.uint32(), value: field.uint32(), text: field.string() },
  events: [onNew()],
});
const classes = [Pair] as const;
type Db = Database<typeof classes>;

async function fill(db: Db, count = 2000): Promise<void> {
  await db.transaction(async (tx) => {
    for (let id = 0; id < count; id += 1)
      await tx.records(Pair).insert({ id, value: 0, text: 'x'.repeat(1000) });
  });
}

const refused = (argument: string) => (error: unknown) =>
  error instanceof InvalidArgumentError && error.context.argument === argument;

describe('a backup', () => {
  for (const compact of [false, true]) {
    test(`is of one moment while others write, compact: ${compact}`, async () => {
      await using directory = await Directory.make();
      const path = join(directory.path, 'original');
      await using db = await connect(`embedded://${path}`, { classes, durability: 'none' });
      await fill(db);
      chmodSync(join(path, 'data.mdb'), 0o640);
      chmodSync(path, 0o750);
      let isOver = false;
      const writing = (async () => {
        for (let value = 1; !isOver; value += 1) {
          await db.transaction(async (tx) => {
            await tx.records(Pair).update(0, { value });
            await tx.records(Pair).update(1999, { value });
          });
        }
      })();
      const seen: { done: number; total: number }[] = [];
      for (let i = 0; i < 3; i += 1) {
        const target = join(directory.path, 'deeper', `copy${i}`);
        if (i === 1) mkdirSync(target); // an empty one is as good as none
        await db.backup(target, { compact, onProgress: (progress) => seen.push(progress) });
        assert.deepEqual(readdirSync(target), ['data.mdb']);
        assert.equal(statSync(target).mode & 0o777, 0o750);
        assert.equal(statSync(join(target, 'data.mdb')).mode & 0o777, 0o640);
        await using copy = await connect(`embedded://${target}`, { classes });
        assert.equal(await copy.records(Pair).find().count(), 2000);
        const [first, last] = [await copy.records(Pair).get(0), await copy.records(Pair).get(1999)];
        assert.equal(first?.value, last?.value);
        await copy.records(Pair).insert({ id: 9999, value: 1, text: '' });
      }
      isOver = true;
      await writing;
      assert.ok(seen.every(({ done, total }) => done <= total));
      assert.equal(seen.filter(({ done, total }) => done === total).length >= 3, true);
    });
  }

  test('has positions of its own from its first opening to be written, and only from then on', async () => {
    await using directory = await Directory.make();
    await using db = await connect(`embedded://${join(directory.path, 'original')}`, { classes });
    await fill(db, 3);
    const feed = db.events.feed(Pair, { from: 'beginning' });
    const position = (await feed.next()).value?.position as string;
    feed.close();
    const target = join(directory.path, 'copy');
    await db.backup(target);
    const url = `embedded://${target}` as const;
    {
      await using copy = await connect(url, { readOnly: true, classes });
      assert.equal((await copy.events.feed(Pair, { from: position }).next()).value?.key, 1);
    }
    let own: string;
    {
      await using copy = await connect(url, { classes });
      assert.throws(() => copy.events.feed(Pair, { from: position }), EpochMismatchError);
      own = (await copy.events.feed(Pair, { from: 'beginning' }).next()).value?.position as string;
    }
    await using copy = await connect(url, { classes });
    assert.equal((await copy.events.feed(Pair, { from: own }).next()).value?.key, 1);
    assert.equal((await db.events.feed(Pair, { from: position }).next()).value?.key, 1);
  });

  test('replaces nothing', async () => {
    await using directory = await Directory.make();
    await using db = await connect(`embedded://${join(directory.path, 'original')}`, { classes });
    writeFileSync(join(directory.path, 'file'), '');
    mkdirSync(join(directory.path, 'full'));
    writeFileSync(join(directory.path, 'full', 'file'), '');
    for (const name of ['file', 'full', 'original'])
      await assert.rejects(db.backup(join(directory.path, name)), refused('directory'), name);
    assert.deepEqual(readdirSync(directory.path), ['file', 'full', 'original']);
  });

  test('that fails or is given up leaves nothing', async () => {
    await using directory = await Directory.make();
    await using db = await connect(`embedded://${join(directory.path, 'original')}`, { classes });
    await fill(db);
    const target = join(directory.path, 'copy');
    const reason = new Error('given up');
    for (let ms = 0; ms < 5; ms += 1) {
      const controller = new AbortController();
      const copied = db.backup(target, { signal: controller.signal });
      setTimeout(() => controller.abort(reason), ms);
      const outcome = await copied.catch((error: unknown) => error);
      // It may have been faster.
      if (outcome === undefined) break;
      assert.equal(outcome, reason);
      assert.deepEqual(readdirSync(directory.path), ['original']);
    }
    const thrown = new Error('of the listener');
    const onProgress = (): void => {
      throw thrown;
    };
    await assert.rejects(db.backup(`${target}2`, { onProgress }), thrown);
    const late = new AbortController();
    const abort = ({ done, total }: BackupProgress): void => {
      if (done === total) late.abort(reason);
    };
    await assert.rejects(db.backup(`${target}2`, { onProgress: abort, signal: late.signal }), reason);
    await assert.rejects(db.backup(target, { signal: AbortSignal.abort(reason) }), reason);
    await assert.rejects(db.backup('/proc/none/copy'), StorageError);
    assert.equal(existsSync(`${target}2`), false);
    assert.equal(await db.records(Pair).find().count(), 2000);
  });

  test('is whole when the database is closed meanwhile', async () => {
    await using directory = await Directory.make();
    const db = await connect(`embedded://${join(directory.path, 'original')}`, { classes });
    await fill(db);
    const target = join(directory.path, 'copy');
    const copied = db.backup(target);
    await db.close();
    assert.deepEqual(readdirSync(target), ['data.mdb']);
    await copied;
    await assert.rejects(db.backup(`${target}2`), { code: 'EVENKEEL_CLOSED' });
    await using copy = await connect(`embedded://${target}`, { classes });
    assert.equal(await copy.records(Pair).find().count(), 2000);
  });

  test('can be made of what is temporary, and of what is only read', async () => {
    await using directory = await Directory.make();
    const target = join(directory.path, 'copy');
    {
      await using db = await connect('embedded:', { classes });
      assert.equal(db.capabilities.backup, true);
      await fill(db, 3);
      await db.backup(target);
    }
    await using copy = await connect(`embedded://${target}`, { classes, readOnly: true });
    await copy.backup(`${target}2`);
    await using again = await connect(`embedded://${target}2`, { classes });
    assert.equal(await again.records(Pair).find().count(), 3);
  });

  test('with bad arguments is refused by their names', async () => {
    await using db = await connect('embedded:', { classes });
    for (const directory of ['', 'a\0b', undefined, null, 5])
      await assert.rejects(db.backup(directory as string), refused('directory'));
    for (const [name, options] of Object.entries({
      options: { compat: true },
      compact: { compact: 1 },
      onProgress: { onProgress: null },
      signal: { signal: {} },
    }))
      await assert.rejects(db.backup('/nowhere', options as unknown as BackupOptions), refused(name), name);
  });

  test('is not to be had on memcached', async () => {
    await using server = await startServer();
    await using db = await connect(server.url);
    assert.equal(db.capabilities.backup, false);
    await assert.rejects(db.backup('/nowhere'), UnsupportedError);
  });
});
