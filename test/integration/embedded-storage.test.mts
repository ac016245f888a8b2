import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { open as openLmdb } from 'lmdb';
import { connect, defineClass, field, index, StorageError } from '../../lib/index.ts';
import { type Ended, inProcess } from '../faults/elsewhere.mts';
import { Directory } from './embedded.mts';

const Item = defineClass('Item', {
  key: 'id',
  fields: { id: field.uint32(), text: field.string() },
  indexes: { byText: index('text') },
});

const storage = (message: RegExp, path: string) => (error: unknown) => {
  assert.ok(error instanceof StorageError, String(error));
  assert.match(error.message, message);
  assert.ok(error.message.startsWith(path), error.message);
  assert.equal(error.retryable, false);
  return true;
};

/** A database with some megabytes in it. */
async function filled(directory: Directory): Promise<void> {
  await using db = await directory.open({ classes: [Item] });
  const items = db.records(Item);
  for (let id = 0; id < 2000; id += 1) void items.insert({ id, text: `text ${id} `.repeat(20) });
  for (let i = 0; i < 50; i += 1) void db.upsert(`k${i}`, Buffer.alloc(20_000, i));
  assert.equal(await items.find().count(), 2000);
}

/** Opens a directory in another process and reads all of it there: what that finds, in one line. */
function readElsewhere(path: string): Promise<Ended> {
  return inProcess(async ({ evenkeel, say }, url) => {
    try {
      const db = await evenkeel.connect(url as 'embedded:');
      const [Item] = db.classes as unknown as [ReturnType<typeof evenkeel.defineClass>];
      const records = (
        db as unknown as {
          records: (each: unknown) => { find(options?: object): { count(): Promise<number> } };
        }
      ).records(Item);
      const counts = [await records.find().count(), await records.find({ index: 'byText' }).count()];
      let bytes = 0;
      for (let i = 0; i < 50; i += 1) bytes += (await db.get<Buffer>(`k${i}`))?.length ?? 0;
      await db.upsert('more', 1);
      say(`read ${counts} ${bytes}`);
      await db.close();
    } catch (error) {
      say((error as { code?: string }).code ?? String(error));
    }
  }, `embedded://${path}`);
}

const PAGE = 4096;

const WHOLE = 'read 2000,2000 1000000';

describe('a directory that cannot be had', () => {
  test('is a StorageError: a file, below a file, a directory in the place of the file', async () => {
    await using directory = await Directory.make();
    const file = join(directory.path, 'file');
    await writeFile(file, 'text');
    for (const path of [file, join(file, 'below')])
      await assert.rejects(connect(`embedded://${path}`), storage(/: /, path));
    const taken = join(directory.path, 'taken');
    await mkdir(join(taken, 'data.mdb'), { recursive: true });
    await assert.rejects(connect(`embedded://${taken}`), storage(/: /, taken));
  });

  test('is a StorageError where no directory can be made at all', {
    skip: process.platform !== 'linux' && 'needs /proc',
  }, async () => {
    const ended = await inProcess(async ({ evenkeel, say }) => {
      await evenkeel.connect('embedded:///proc/evenkeel/data').catch(({ code }) => say(code));
    });
    assert.deepEqual([ended.code, ended.lines], [0, ['EVENKEEL_STORAGE']]);
  });

  test('is made where it may be, however deep, but not to be read only', async () => {
    await using directory = await Directory.make();
    const path = join(directory.path, 'a b', 'ü', '%41');
    const url = `embedded://${path.split('/').map(encodeURIComponent).join('/')}` as const;
    await assert.rejects(connect(url, { readOnly: true }), storage(/: there is no database to read$/, path));
    await using db = await connect(url);
    await db.upsert('k', 1);
    assert.ok((await stat(join(path, 'data.mdb'))).isFile());
    const empty = join(directory.path, 'empty');
    await mkdir(empty);
    await assert.rejects(connect(`embedded://${empty}`, { readOnly: true }), StorageError);
    await (await connect(`embedded://${empty}`)).close();
  });

  test('is a StorageError for who may not write there, and can still be read', async () => {
    await using directory = await Directory.make();
    await filled(directory);
    await chmod(directory.path, 0o555);
    await chmod(directory.file, 0o444);
    await chmod(join(directory.path, 'lock.mdb'), 0o666);
    const ended = await inProcess(async ({ evenkeel, say, become }, path) => {
      if (process.getuid?.() === 0) become(65_534);
      for (const [url, options] of [
        [`embedded://${path}`, {}],
        [`embedded://${path}/below`, {}],
        [`embedded://${path}`, { readOnly: true }],
      ] as const) {
        const outcome = await evenkeel.connect(url as 'embedded:', options).then(
          async (db) => {
            const value = await db.get<Buffer>('k7');
            await db.close();
            return `read ${value?.length}`;
          },
          (error) => `${error.code} ${error.message.replace(path, '')}`,
        );
        say(outcome);
      }
    }, directory.path);
    await chmod(directory.path, 0o755);
    assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
    assert.deepEqual(ended.lines, [
      'EVENKEEL_STORAGE : the directory cannot be written',
      'EVENKEEL_STORAGE /below: the directory cannot be written',
      'read 20000',
    ]);
  });
});

describe('a file that is no database', () => {
  const contents: [what: string, bytes: Buffer][] = [
    ['random bytes', randomBytes(100_000)],
    ['a few random bytes', randomBytes(100)],
    ['zeros', Buffer.alloc(200_000)],
    ['one byte', Buffer.from('x')],
    ['a text', Buffer.from('SQLite format 3\0'.repeat(5000))],
  ];
  for (const [what, bytes] of contents) {
    test(`is a StorageError and stays as it is: ${what}`, async () => {
      await using directory = await Directory.make();
      await writeFile(directory.file, bytes);
      const ended = await readElsewhere(directory.path);
      assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
      assert.deepEqual(ended.lines, ['EVENKEEL_STORAGE']);
      assert.ok((await readFile(directory.file)).equals(bytes));
    });
  }

  test('or one of another program on LMDB, is a StorageError', async () => {
    await using directory = await Directory.make();
    const other = openLmdb({ path: directory.path });
    await other.put('theirs', { a: 1 });
    await other.openDB('tree', {}).put('k', 1);
    await other.close();
    await assert.rejects(directory.open(), storage(/no evenkeel database/, directory.path));
    const again = openLmdb({ path: directory.path });
    assert.deepEqual(again.get('theirs'), { a: 1 });
    await again.close();
  });

  test('or one of a later format, is a StorageError that names both formats', async () => {
    await using directory = await Directory.make();
    await filled(directory);
    const root = openLmdb<Uint8Array, Uint8Array>({
      path: directory.path,
      maxDbs: 20,
      encoding: 'binary',
      keyEncoding: 'binary',
    });
    const meta = root.openDB<Uint8Array, Uint8Array>('meta', { encoding: 'binary', keyEncoding: 'binary' });
    const key = Buffer.from('format');
    const format = Buffer.from(meta.get(key) ?? '');
    await meta.put(key, Buffer.from(JSON.stringify({ format: 2, epoch: 'x' })));
    await root.close();
    await assert.rejects(directory.open(), storage(/has format 2, this version reads 1/, directory.path));
    const repaired = openLmdb<Uint8Array, Uint8Array>({
      path: directory.path,
      maxDbs: 20,
      encoding: 'binary',
      keyEncoding: 'binary',
    });
    await repaired
      .openDB<Uint8Array, Uint8Array>('meta', { encoding: 'binary', keyEncoding: 'binary' })
      .put(key, format);
    await repaired.close();
    await using db = await directory.open({ classes: [Item] });
    assert.equal(await db.records(Item).find().count(), 2000);
  });

  test('that was cut short never ends the process: it is a StorageError, or whole', async () => {
    await using directory = await Directory.make();
    await filled(directory);
    const { size } = await stat(directory.file);
    const lengths = [
      1,
      100,
      4096,
      8191,
      8192,
      12_288,
      size >> 2,
      size >> 1,
      size - 70_000,
      size - PAGE,
      size - 1,
    ];
    const cut = async (length: number): Promise<void> => {
      await using copy = await Directory.make();
      await copyFile(directory.file, copy.file);
      await truncate(copy.file, length);
      const ended = await readElsewhere(copy.path);
      assert.deepEqual([ended.code, ended.signal], [0, null], `${length} of ${size}: ${ended.stderr}`);
      const mayBeWhole = length > size - 70_000 && length % PAGE === 0;
      const expected = mayBeWhole ? [WHOLE, 'EVENKEEL_STORAGE'] : ['EVENKEEL_STORAGE'];
      assert.ok(expected.includes(ended.lines[0] ?? ''), `${length} of ${size}: ${ended.lines}`);
    };
    // Two at a time.
    for (let i = 0; i < lengths.length; i += 2) await Promise.all(lengths.slice(i, i + 2).map(cut));
    assert.deepEqual((await readElsewhere(directory.path)).lines, [WHOLE]);
  });

  // What is missing of a page reads as zeros, which can look like a page with nothing on it.
  test('that ends amid a page is a StorageError', async () => {
    await using directory = await Directory.make();
    await filled(directory);
    const { size } = await stat(directory.file);
    for (const length of [size - 1, size - PAGE + 1, (size >> 1) + 1, 3 * PAGE - 1]) {
      await truncate(directory.file, length);
      const amid = storage(/: the file is corrupt: it ends in the middle of a page$/, directory.path);
      await assert.rejects(directory.open(), amid);
      await assert.rejects(directory.open({ readOnly: true }), amid);
      assert.equal((await stat(directory.file)).size, length);
    }
  });
});

describe('what a database has room for', () => {
  test('more classes and indexes than there can be are a StorageError, and nothing is changed', async () => {
    await using directory = await Directory.make();
    const indexes = Object.fromEntries(Array.from({ length: 1100 }, (_, i) => [`by${i}`, index('text')]));
    const Many = defineClass('Many', { key: 'text', fields: { text: field.string() }, indexes });
    await assert.rejects(directory.open({ classes: [Many] }), storage(/classes and indexes/, directory.path));
    await using db = await directory.open({ classes: [Item] });
    await db.records(Item).insert({ id: 1, text: 'a' });
    assert.deepEqual(
      db.classes.map(({ name }) => name),
      ['Item'],
    );
  });

  test('more states than can be read at once are a StorageError, and some that end make room', async () => {
    await using directory = await Directory.make();
    await using db = await directory.open({ durability: 'none' });
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const readers: Promise<void>[] = [];
    let failed: unknown;
    for (let i = 0; failed === undefined && i < 1000; i += 1) {
      await db.upsert('k', i);
      await setImmediate();
      const reader = db.transaction(() => ended);
      reader.catch((error) => {
        failed = error;
      });
      readers.push(reader);
      await setImmediate();
    }
    assert.ok(storage(/too many states/, directory.path)(failed));
    end();
    await Promise.allSettled(readers);
    await db.upsert('k', 'after');
    assert.equal(await db.transaction((tx) => tx.get('k')), 'after');
  });
});

describe('a disk that is full', () => {
  for (const durability of ['commit', 'none'] as const) {
    test(`fails the write with StorageError; what was written before is there (durability ${durability})`, async () => {
      await using directory = await Directory.make();
      const ended = await inProcess(
        async ({ evenkeel, say }, { url, durability }) => {
          const db = await evenkeel.connect(url as 'embedded:', { durability });
          const written: number[] = [];
          const codes = new Set<string>();
          for (let i = 0; i < 200; i += 1) {
            await db.upsert(`k${i}`, Buffer.alloc(100_000, i)).then(
              () => written.push(i),
              (error) => codes.add(`${error.code} ${/disk is full/.test(error.message)}`),
            );
          }
          const read = await Promise.all(written.map((i) => db.get<Buffer>(`k${i}`)));
          const isThere = read.every((value, j) => value?.length === 100_000 && value[0] === written[j]);
          const context = await db
            .schedule((ctx) => ctx.upsert('large', Buffer.alloc(5_000_000)))
            .catch((error) => error.code);
          const transaction = await db
            .transaction((tx) => tx.upsert('large', Buffer.alloc(5_000_000)))
            .catch((error) => error.code);
          const prepared = await db
            .prepare((tx) => tx.upsert('large', Buffer.alloc(5_000_000)))
            .then((phase) => phase.commit())
            .catch((error) => error.code);
          const outcomes = { context, transaction, prepared };
          say(JSON.stringify({ written: written.length, codes: [...codes], isThere, ...outcomes }));
          // Room comes free: what was removed makes place for others.
          for (const i of written) await db.remove(`k${i}`).catch(() => {});
          say(
            await db.upsert('small', 'fits').then(
              () => 'ok',
              (error) => error.code,
            ),
          );
          say(String(await db.get('small')));
          await db.close();
        },
        { url: directory.url as string, durability },
        "trap '' XFSZ; ulimit -f 8192",
      );
      assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
      const { written, ...rest } = JSON.parse(ended.lines[0] ?? '{}');
      assert.ok(written > 0 && written < 200, `${written} written`);
      assert.deepEqual(rest, {
        codes: ['EVENKEEL_STORAGE true'],
        isThere: true,
        context: 'EVENKEEL_STORAGE',
        transaction: 'EVENKEEL_STORAGE',
        prepared: 'EVENKEEL_STORAGE',
      });
      assert.deepEqual(ended.lines.slice(1), ['ok', 'fits']);
      await using db = await directory.open();
      assert.equal(await db.get('small'), 'fits');
      await db.upsert('large', Buffer.alloc(5_000_000));
    });
  }

  test('at the very first write is a StorageError of connect, and the process lives', async () => {
    await using directory = await Directory.make();
    const ended = await inProcess(
      async ({ evenkeel, say }, url) => {
        say(
          await evenkeel.connect(url as 'embedded:').then(
            () => 'ok',
            (error) => error.code,
          ),
        );
      },
      directory.url as string,
      "trap '' XFSZ; ulimit -f 8",
    );
    assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
    assert.deepEqual(ended.lines, ['EVENKEEL_STORAGE']);
    await (await directory.open()).close();
  });
});

describe('the map of a file that grows', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
  async function mapsAfterWriting(before: string) {
    await using directory = await Directory.make();
    return inProcess(
      async ({ evenkeel, say }, url) => {
        const { readFileSync } = await import('node:fs');
        const db = await evenkeel.connect(url as 'embedded:');
        for (let i = 0; i < 8; i += 1) await db.upsert(`large-${i}`, Buffer.alloc(1_000_000));
        const maps = readFileSync('/proc/self/maps', 'latin1').match(/data\.mdb/g)?.length ?? 0;
        say(maps === 1 ? 'one' : 'several');
        await db.close();
      },
      directory.url as string,
      before,
    );
  }

  test('is one: what is read counts as memory once', async () => {
    const ended = await mapsAfterWriting('ulimit -v unlimited');
    assert.deepEqual([ended.code, ended.lines], [0, ['one']], ended.stderr);
  });

  test('grows with it where address space is limited', async () => {
    // In a shell of its own: a sanitizer takes more address space than that.
    const limited = `'ulimit -v ${40 << 20}; exec "$0" -e "$1"'`;
    const ended = await mapsAfterWriting(
      `exec env -u LD_PRELOAD -u EVENKEEL_ADDON_PATH sh -c ${limited} "$0" "$1"`,
    );
    assert.deepEqual([ended.code, ended.lines], [0, ['several']], ended.stderr);
  });
});
