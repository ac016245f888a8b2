import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { open as openLmdb } from 'lmdb';
import { Unpackr, unpack } from 'msgpackr';
import { connect, defineClass, field, index, onNew, uniqueIndex } from '../../lib/index.ts';
import { Directory, Order, open, order } from './events-shop.mts';

/** The journal as docs/journal.md says it is, by its numbers and by nothing of the library. */
async function readJournal(path: string): Promise<Record<string, unknown>[]> {
  const root = openLmdb({ path, readOnly: true, maxDbs: 64, encoding: 'binary', keyEncoding: 'binary' });
  const tree = root.openDB('journal', { encoding: 'binary', keyEncoding: 'binary' });
  const changes: Record<string, unknown>[] = [];
  for (const { key, value } of tree.getRange({ start: undefined, end: undefined } as object)) {
    const block = Buffer.from(value as Uint8Array);
    const name = Buffer.from(key as Uint8Array);
    assert.equal(Number(name.readBigUInt64BE(0)), block.readDoubleLE(8));
    assert.equal(name.readUInt32BE(8), 0);
    for (let fragment = 0; fragment < block.length; fragment += block.readUInt32LE(fragment)) {
      const metaLength = block.readUInt32LE(fragment + 32);
      const meta =
        metaLength === 0 ? undefined : unpack(block.subarray(fragment + 36, fragment + 36 + metaLength));
      let at = fragment + 36 + metaLength;
      const first = block.readUInt32LE(fragment + 24);
      for (let i = 0; i < block.readUInt32LE(fragment + 28); i += 1) {
        const [bits, before, after] = [4, 8, 12].map((offset) => block.readUInt32LE(at + offset));
        assert.ok(bits !== undefined && before !== undefined && after !== undefined);
        changes.push({
          seq: block.readDoubleLE(fragment + 8),
          index: first + i,
          last: block[fragment + 4] === 1,
          kind: block[at],
          flags: block[at + 1],
          class: block.readUInt16LE(at + 2),
          changed: [...block.subarray(at + 24, at + 24 + bits)],
          hasBefore: before > 0,
          hasAfter: after > 0,
          extra: block.readDoubleLE(at + 16),
          ...(meta && { meta }),
        });
        at += 24 + bits + before + after;
      }
      assert.equal(at, fragment + block.readUInt32LE(fragment));
    }
  }
  await root.close();
  return changes;
}

test('the journal on disk is as docs/journal.md describes it', async () => {
  await using directory = await Directory.make();
  const db = await open({}, directory.url);
  const { epoch } = JSON.parse(`{"epoch":"${db.events.position.split('.')[0]}"}`);
  await db.transaction((tx) => tx.records(Order).insert(order(1)), { origin: 'me', meta: [1] });
  await db.records(Order).update(1, { state: 2, note: 'x' });
  await db.transaction(async (tx) => {
    await tx.records(Order).update(1, { state: 3 });
    await tx.records(Order).remove(1);
  });
  await db.records(Order).insert(order(2));
  await db.records(Order).deleteAll();
  const position = db.events.position;
  await db.close();

  const same = { last: true, class: 1, changed: [], hasBefore: false, hasAfter: false, extra: 0 };
  assert.deepEqual(await readJournal(directory.path), [
    {
      ...same,
      seq: 1,
      index: 0,
      kind: 1,
      flags: 1 | 2 | 8,
      hasAfter: true,
      meta: { origin: 'me', meta: [1] },
    },
    {
      ...same,
      seq: 2,
      index: 0,
      kind: 2,
      flags: 1 | 2 | 4 | 8,
      changed: [0b1100],
      hasBefore: true,
      hasAfter: true,
    },
    { ...same, seq: 3, index: 0, kind: 3, flags: 1 | 4, hasBefore: true },
    {
      ...same,
      seq: 3,
      index: 1,
      kind: 2,
      flags: 2 | 4 | 8,
      changed: [0b100],
      hasBefore: true,
      hasAfter: true,
    },
    { ...same, seq: 3, index: 2, kind: 3, flags: 2 | 4, hasBefore: true },
    { ...same, seq: 4, index: 0, kind: 1, flags: 1 | 2 | 8, hasAfter: true },
    { ...same, seq: 5, index: 0, kind: 4, flags: 1 | 2, extra: 1 },
  ]);
  assert.equal(position, `${epoch}.5.1z141z3`);
  assert.match(await readFile(new URL('../../docs/journal.md', import.meta.url), 'utf8'), /1z141z3/);
});

/** Every tree of a directory, as it lies there. */
async function readTrees(path: string): Promise<Map<string, [key: Buffer, value: Buffer][]>> {
  const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
  const everything = (): object => ({ start: undefined, end: undefined }); // lmdb writes into what it is given
  const root = openLmdb({ path, readOnly: true, maxDbs: 64, ...binary });
  const trees = new Map<string, [Buffer, Buffer][]>();
  for (const key of [...root.getKeys(everything())]) {
    const name = Buffer.from(key as unknown as Uint8Array);
    assert.equal(name.at(-1), 0);
    const pairs: [Buffer, Buffer][] = [];
    const tree = root.openDB(name.subarray(0, -1).toString(), binary);
    for (const { key, value } of tree.getRange(everything()))
      pairs.push([Buffer.from(key as unknown as Uint8Array), Buffer.from(value as Uint8Array)]);
    trees.set(name.subarray(0, -1).toString(), pairs);
  }
  await root.close();
  return trees;
}

const hex = (...entries: readonly Buffer[]): string[] => entries.map((each) => each.toString('hex'));

test('the other trees on disk are as docs/journal.md describes them', async () => {
  await using directory = await Directory.make();
  const Item = defineClass('Item', {
    key: ['shop', 'id'],
    fields: {
      shop: field.int16(),
      id: field.autoid(),
      name: field.string(),
      code: field.optional(field.string()),
      at: field.datetime(),
    },
    indexes: { byName: index('name'), byCode: uniqueIndex('code') },
    events: [onNew()],
    ttl: { count: 10 },
  });
  const db = await connect(directory.url, { classes: [Item], clock: () => 1_000_000 });
  await db.upsert('k', 'v', { ttl: 1 });
  const durable = await db.events.durable('mine', Item, () => {});
  const at = new Date(0);
  const items = db.records(Item);
  await items.insert({ shop: -1, name: 'a\0', code: 'x', at }, { ttl: 2 });
  await items.insert({ shop: 1, name: 'b', at });
  const first = await items.getRecord([-1, 1n]);
  await durable.caughtUp();
  await db.close();

  const trees = await readTrees(directory.path);
  const keys = ['7fff0000000000000001', '80010000000000000002'];
  const names = ['expiry', 'index:1:byCode', 'index:1:byName', 'journal', 'meta', 'order:1', 'plain'];
  assert.deepEqual([...trees.keys()].sort(), [...names, 'records:1', 'subscriptions']);

  const meta = new Map(trees.get('meta')?.map(([key, value]) => [key.toString(), value]));
  const format = JSON.parse(String(meta.get('format')));
  assert.equal(format.format, 1);
  assert.match(format.epoch, /^[0-9a-f]{12}$/);
  const [schema] = JSON.parse(String(meta.get('schema')));
  assert.deepEqual([schema.id, schema.names], [1, ['shop', 'id', 'name', 'code', 'at']]);
  const state = [0, 8, 16, 24, 32, 40].map((offset) => meta.get('state')?.readDoubleLE(offset));
  const journalBytes = trees.get('journal')?.reduce((sum, [, value]) => sum + value.length, 0);
  assert.deepEqual(state, [2, 1, journalBytes, 1_000_000, 2, 1]);
  assert.ok((meta.get('autoid:1')?.readBigUInt64LE() ?? 0n) > 2n);

  const [plainKey, plain] = trees.get('plain')?.[0] ?? [];
  assert.equal(String(plainKey), 'k');
  assert.equal(plain?.readDoubleLE(12), 1_001_000);
  assert.equal(plain?.subarray(20).toString(), 'v');

  const records = trees.get('records:1') ?? [];
  assert.deepEqual(
    records.map(([key]) => key.toString('hex')),
    keys,
  );
  const decoder = new Unpackr({ structures: structuredClone(schema.shapes) });
  const [[, one], [, two]] = records as [[Buffer, Buffer], [Buffer, Buffer]];
  assert.deepEqual([one.readUInt32LE(0), two.readUInt32LE(0)], [3, 2]);
  assert.equal(one.readBigUInt64LE(4), first?.cas);
  assert.deepEqual([one.readDoubleLE(12), one.readDoubleLE(20), two.readDoubleLE(12)], [1_002_000, 1, 2]);
  assert.deepEqual({ ...decoder.unpack(one.subarray(28)) }, { shop: -1, id: 1n, name: 'a\0', code: 'x', at });
  assert.equal(decoder.unpack(two.subarray(20)).code, undefined);

  const [a, b] = keys;
  const entries = (name: string): string[][] =>
    trees.get(`index:1:${name}`)?.map((pair) => hex(...pair)) ?? [];
  assert.deepEqual(entries('byName'), [
    [`61010100${a}`, a],
    [`6200${b}`, b],
  ]);
  // What is absent is not unique; what is there needs no primary key behind it.
  assert.deepEqual(entries('byCode'), [
    [`00${b}`, b],
    ['017800', a],
  ]);
  const place = (n: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(n);
    return bytes;
  };
  assert.deepEqual(
    trees.get('order:1')?.map((pair) => hex(...pair)),
    [
      [...hex(place(1)), a],
      [...hex(place(2)), b],
    ],
  );
  assert.deepEqual(
    trees.get('expiry')?.map(([key, value]) => [key.toString('hex'), value.length]),
    [
      [`${hex(place(1_001_000))[0]}0000${Buffer.from('k').toString('hex')}`, 1],
      [`${hex(place(1_002_000))[0]}0001${a}`, 1],
    ],
  );
  const [noteName, note] = trees.get('subscriptions')?.[0] ?? [];
  assert.equal(String(noteName), 'durable:mine');
  const {
    place: acknowledged,
    lease,
    fence,
    told,
    maybe,
    progress,
    isSnapshotDue,
  } = JSON.parse(String(note));
  assert.deepEqual(
    [acknowledged.seq, lease, fence, told, maybe, isSnapshotDue],
    [2, undefined, 1, [], [0, 0], false],
  );
  assert.equal(progress.told, progress.passed);
});
