import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { open as openLmdb } from 'lmdb';
import { unpack } from 'msgpackr';
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
