import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, type Database, defineClass, field } from '../../lib/index.ts';
import { startServer } from '../../lib/testing/index.ts';
import { openBase } from '../faults/harness.mts';

/** Bytes that say of themselves what they are not. What Buffer.from() would take of them calls `calls`. */
function oddBytes(calls: () => void): Uint8Array {
  class Odd extends Uint8Array {
    override valueOf(): never {
      calls();
      return 'text' as never;
    }
    override get length(): number {
      return 1;
    }
    override get byteLength(): number {
      return 1;
    }
    override get byteOffset(): number {
      return 1;
    }
  }
  return Odd.from([1, 2, 3]);
}

const BYTES = Buffer.from([1, 2, 3]);
const Item = defineClass('Item', { key: 'id', fields: { id: field.uint32(), data: field.bytes() } });

async function writeAll(db: Database, value: Uint8Array): Promise<void> {
  const written = [db.upsert('upsert', value), db.insert('insert', value), db.append('append', value)];
  const context = db.enter();
  written.push(context.upsert('context', value));
  context.leave();
  assert.deepEqual(await db.getOrLoad('load', async () => value, { ttl: 60 }), BYTES);
  await Promise.all(written);
  for (const key of ['upsert', 'insert', 'context', 'load']) assert.deepEqual(await db.get(key), BYTES, key);
  assert.deepEqual(await db.get('append'), Buffer.from([0, 1, 2, 3]));
}

describe('bytes of a class of the user are written as they are, and none of its code runs', () => {
  const fail = (): never => assert.fail('it was asked what it is');
  for (const model of ['host', 'thread'] as const)
    for (const lazy of [false, true])
      test(`on memcached, ${model} base, ${lazy ? 'before' : 'after'} there is a connection`, async () => {
        await using server = await startServer();
        await using other = await connect(server.url);
        await other.upsert('append', Buffer.from([0]));
        await using base = openBase(model);
        await using db = await connect(server.url, { eventBase: base, lazy, timeout: 60_000 });
        await writeAll(db, oddBytes(fail));
      });

  test('on an embedded database', async () => {
    await using db = await connect('embedded:', { classes: [Item] });
    await db.upsert('append', Buffer.from([0]));
    const value = oddBytes(fail);
    await db.upsert('upsert', value);
    await db.append('append', value);
    await db.transaction(async (tx) => tx.upsert('transaction', value));
    for (const key of ['upsert', 'transaction']) assert.deepEqual(await db.get(key), BYTES, key);
    assert.deepEqual(await db.get('append'), Buffer.from([0, 1, 2, 3]));
    await db.records(Item).insert({ id: 1, data: value });
    assert.deepEqual((await db.records(Item).get(1))?.data, BYTES);
  });
});
