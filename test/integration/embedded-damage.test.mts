// Bytes in the file that this package has not written: whatever they are, what is read of them is a record or a StorageError.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { unpackMarks } from '../../lib/engines/embedded/marks.ts';
import { RecordCodec } from '../../lib/engines/embedded/record-codec.ts';
import { shapesOf } from '../../lib/engines/embedded/shapes.ts';
import {
  connect,
  type Database,
  defineClass,
  field,
  index,
  onDelete,
  onNew,
  onUpdate,
  StorageError,
} from '../../lib/index.ts';
import { change, Directory } from './embedded.mts';

const inner = field.struct({ name: field.string(), at: field.optional(field.datetime()) });
const Item = defineClass('Item', {
  key: 'id',
  fields: {
    id: field.uint32(),
    name: field.string(),
    at: field.datetime(),
    list: field.vector(field.vector(field.uint16())),
    inner,
    more: field.optional(field.bytes()),
  },
  indexes: { byName: index('name') },
  events: [onNew(), onUpdate(), onDelete()],
});
const classes = [Item] as const;
type Db = Database<typeof classes>;

const item = (id: number) => ({
  id,
  name: `item ${id}`,
  at: new Date(id - 5),
  list: [[1, 2], [300]],
  inner: { name: 'i', at: new Date(1e12) },
  more: Buffer.alloc(id),
});

const SEED = Number(process.env.EVENKEEL_SEED ?? 20_261_130);

/** Some bytes replaced, cut off or put in. */
const mutation = fc.record({
  at: fc.nat(),
  remove: fc.nat(6),
  insert: fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.constantFrom(
      Uint8Array.of(0xdc, 0xff, 0xff),
      Uint8Array.of(0xdd, 0x7f, 0xff, 0xff, 0xff),
      Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0xc6, 0x7f, 0xff, 0xff, 0xff),
      Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0x40, 0x40, 0x41),
      Uint8Array.of(0xd4, 0x72, 0x40),
    ),
  ),
});
const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });
type Mutations = typeof mutations extends fc.Arbitrary<infer T> ? T : never;

function mutated(original: Uint8Array, changes: Mutations): Buffer {
  let bytes = Buffer.from(original);
  for (const { at, remove, insert } of changes) {
    const place = at % (bytes.length + 1);
    bytes = Buffer.concat([bytes.subarray(0, place), insert, bytes.subarray(place + remove)]);
  }
  return bytes;
}

async function made(directory: Directory): Promise<void> {
  await using db = await directory.open({ classes });
  for (let id = 1; id <= 3; id += 1) await db.records(Item).insert(item(id));
  await db.upsert('plain', 'value');
}

/** Every way to read; what each came to. A promise that never settles would be a hang of the test. */
async function readAll(db: Db): Promise<unknown[]> {
  const items = db.records(Item);
  const results = await Promise.allSettled([
    ...[1, 2, 3].map((id) => items.get(id)),
    items.find().all(),
    items.find({ index: 'byName' }).all(),
    items.find().count(),
    db.get('plain'),
    db.transaction((tx) => tx.records(Item).find({ reverse: true }).all()),
    db.transaction((tx) => tx.records(Item).get(1)),
    (async () => {
      const told = [];
      const feed = db.events.feed(Item, { from: 'beginning' });
      for await (const event of feed) if (told.push(event) === 3) break;
      return told;
    })(),
  ]);
  for (const each of results)
    if (each.status === 'rejected')
      assert.ok(each.reason instanceof StorageError, String(each.reason?.stack));
  return results.map((each) => (each.status === 'rejected' ? 'damaged' : 'read'));
}

describe('damaged bytes', () => {
  const codec = (): RecordCodec => new RecordCodec(shapesOf(Item.fields));
  const PLAIN = { version: { high: 0, low: 1 }, expiresAt: 5, order: undefined };

  test('of a record are a record or none', () => {
    const { bytes } = codec().encode(item(3), PLAIN);
    fc.assert(
      fc.property(mutations, (changes) => {
        const given = mutated(bytes, changes);
        const memory = Buffer.concat([given, Buffer.alloc(64, 0xff)]);
        const decoded = codec().decode(memory, given.length);
        assert.ok(decoded === undefined || typeof decoded.record === 'object');
      }),
      { numRuns: 2000, seed: SEED },
    );
  });

  test('of a record that announce much cost no more than they are', () => {
    const header = codec().encode(item(1), PLAIN).bytes.subarray(0, 20);
    const nested = (piece: readonly number[], times: number): Buffer =>
      Buffer.concat([header, Buffer.from([0x40]), Buffer.from(Array(times).fill(piece).flat())]);
    for (const piece of [
      [0xdc, 0xff, 0xff],
      [0xdc, 0x01, 0x00],
      [0x91],
      [0x9f],
      [0xdd, 0, 0, 0, 9],
      [0x40],
      [0x41],
    ])
      for (const times of [1, 100, 3000, 100_000]) {
        const bytes = nested(piece, times);
        assert.equal(codec().decode(bytes, bytes.length), undefined);
      }
  });

  test('of what a writer said are that or none', () => {
    const original = Buffer.from([
      0x82,
      0xa6,
      ...Buffer.from('origin'),
      0xa1,
      0x61,
      0xa4,
      ...Buffer.from('meta'),
      0x93,
      1,
      0xc0,
      0xcb,
      ...Buffer.alloc(8),
    ]);
    assert.deepEqual(unpackMarks(original), { origin: 'a', meta: [1, null, 0] });
    fc.assert(
      fc.property(mutations, (changes) => {
        try {
          unpackMarks(mutated(original, changes));
        } catch (error) {
          assert.ok(error instanceof StorageError);
        }
      }),
      { numRuns: 2000, seed: SEED },
    );
  });

  for (const tree of ['records:1', 'journal', 'plain', 'index:1:byName'])
    test(`in ${tree} are a StorageError wherever they are read, and harm nothing else`, async () => {
      await fc.assert(
        fc.asyncProperty(mutations, async (changes) => {
          await using directory = await Directory.make();
          await made(directory);
          await change(directory, tree, (bytes, key) =>
            tree !== 'records:1' || key.at(-1) === 1 ? mutated(bytes, changes) : undefined,
          );
          await using db = await directory.open({ classes });
          await readAll(db);
          if (tree === 'records:1') assert.deepEqual(await db.records(Item).get(2), item(2));
        }),
        { numRuns: 12, seed: SEED },
      );
    });

  test('of one record name it, and others are written beside it', async () => {
    await using directory = await Directory.make();
    await made(directory);
    await change(directory, 'records:1', (bytes, key) =>
      key.at(-1) === 1
        ? Buffer.concat([bytes.subarray(0, 12), Buffer.from([0xdd, 0x7f, 0xff, 0xff, 0xff])])
        : undefined,
    );
    await using db = await directory.open({ classes });
    const items = db.records(Item);
    const named = (error: unknown): boolean =>
      error instanceof StorageError && /Item.*0x00000001/.test(error.message);
    await assert.rejects(items.get(1), named);
    await assert.rejects(items.find().all(), named);
    await assert.rejects(items.find({ index: 'byName' }).all(), named);
    const [damagedOne, other] = await Promise.allSettled([
      items.update(1, { name: 'x' }),
      items.insert(item(9)),
    ]);
    assert.ok(damagedOne?.status === 'rejected' && named(damagedOne.reason));
    assert.equal(other?.status, 'fulfilled');
    assert.deepEqual(await items.get(9), item(9));
  });

  test('of the schema are a StorageError at the opening; shapes that are not of the class, at the reading', async () => {
    for (const text of ['{', '[{"id":1', '\0']) {
      await using directory = await Directory.make();
      await made(directory);
      await change(directory, 'meta', (_, key) =>
        key.toString() === 'schema' ? Buffer.from(text) : undefined,
      );
      await assert.rejects(directory.open({ classes }), StorageError);
    }
    await using directory = await Directory.make();
    await made(directory);
    await change(directory, 'meta', (bytes, key) => {
      if (key.toString() !== 'schema') return undefined;
      const schema = JSON.parse(bytes.toString());
      schema[0].shapes[0][1] = 'nAme';
      return Buffer.from(JSON.stringify(schema));
    });
    await using db = await directory.open({ classes, readOnly: true });
    await assert.rejects(db.records(Item).get(1), StorageError);
  });
});

describe('evenkeel verify', () => {
  const verify = (path: string) =>
    spawnSync(
      process.execPath,
      [fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url)), 'verify', path],
      {
        encoding: 'utf8',
      },
    );

  test('finds damaged records and pages, and nothing where there is none', async () => {
    await using directory = await Directory.make();
    await made(directory);
    assert.equal(verify(directory.path).status, 0);
    await change(directory, 'records:1', (bytes) => bytes.subarray(0, 14));
    const records = verify(directory.path);
    assert.equal(records.status, 1);
    assert.match(records.stderr, /the records cannot be read/);
    const file = readFileSync(directory.file);
    file.fill(0xff, 2 * 4096 + 16);
    writeFileSync(directory.file, file);
    assert.equal(verify(directory.path).status, 1);
    assert.equal(verify(`${directory.path}/nothing`).status, 1);
  });

  test('finds nothing in what is whole, however often, and wherever it lies', async () => {
    await using directory = await Directory.make();
    const path = join(directory.path, '100% a%41b#c?d e');
    const db = await connect(`embedded://${path.split('/').map(encodeURIComponent).join('/')}`, { classes });
    await db.records(Item).insert(item(1));
    await db.close();
    for (let round = 0; round < 5; round += 1) {
      const { status, stderr } = verify(path);
      assert.equal(stderr, '');
      assert.equal(status, 0);
    }
  });

  test('writes to nothing that a link leads to, and leaves the files to their owner', async () => {
    await using directory = await Directory.make();
    await made(directory);
    const lock = join(directory.path, 'lock.mdb');
    const victim = join(directory.path, 'victim');
    writeFileSync(victim, 'something');
    rmSync(lock, { force: true });
    symlinkSync(victim, lock);
    const { status, stderr } = verify(directory.path);
    assert.equal(status, 1);
    assert.match(stderr, /lock\.mdb is a symbolic link/);
    assert.equal(readFileSync(victim, 'utf8'), 'something');
    rmSync(lock);
    const isRoot = process.geteuid?.() === 0;
    const owner = isRoot ? 12_345 : statSync(directory.file).uid;
    if (isRoot) chownSync(directory.file, owner, owner);
    chmodSync(directory.file, 0o640);
    assert.equal(verify(directory.path).status, 0);
    assert.equal(statSync(lock).uid, owner);
    assert.equal(statSync(lock).mode & 0o777, 0o640);
  });
});
