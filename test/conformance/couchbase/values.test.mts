// Values that one client has written, read by the other.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type CouchbaseUrl, connect } from '../../../lib/index.ts';
import type { TestCluster } from '../../../lib/testing/index.ts';
import { type Client, type Collection, connected, skip, startApart, urlOf } from './official.mts';

const VALUES: readonly (readonly [name: string, value: unknown])[] = [
  ['text', 'grüße'],
  ['empty text', ''],
  ['text that is JSON', '{"a":1}'],
  ['an object', { a: [1, 'ü', null] }],
  ['an array', [1, 2]],
  ['a number', -1.5],
  ['an integer', 42],
  ['true', true],
  ['null', null],
  ['bytes', Buffer.from([0, 1, 255])],
  ['bytes that are JSON', Buffer.from('7')],
  ['a large text', 'ü'.repeat(50_000)],
];

const open = (cluster: TestCluster) =>
  connect(cluster.url as CouchbaseUrl, { username: 'Administrator', password: 'password', timeout: 20_000 });

type Database = Awaited<ReturnType<typeof open>>;

describe('values', { skip }, () => {
  let cluster: TestCluster;
  let connection: Client;
  let official: Collection;
  let db: Database;
  let ours: ReturnType<Database['collection']>;

  before(async () => {
    cluster = await startApart();
    connection = await connected(urlOf(cluster));
    official = connection.bucket('default').scope('shop').collection('orders');
    db = await open(cluster);
    ours = db.scope('shop').collection('orders');
  });

  after(async () => {
    await db?.close();
    await connection?.close();
    await cluster?.close();
  });

  for (const [name, value] of VALUES) {
    test(`${name} of the official client is read`, async () => {
      await official.upsert(name, value);
      assert.deepEqual(await ours.get(name), value);
      assert.deepEqual((await ours.getRecord(name))?.value, value);
    });

    test(`${name} is read by the official client`, async () => {
      await ours.upsert(name, value);
      assert.deepEqual((await official.get(name)).content, value);
    });
  }

  test('both count the same counter', async () => {
    const binary = official.binary();
    assert.equal((await binary.increment('n', 1, { initial: 10 })).value, 10);
    assert.equal(await ours.increment('n', { delta: 5n }), 15n);
    assert.equal((await binary.decrement('n', 1)).value, 14);
    assert.equal(await ours.get('n'), 14);
    assert.equal((await official.get('n')).content, 14);
    assert.equal(await ours.increment('m', { initial: 3n }), 3n);
    assert.equal((await binary.increment('m', 1)).value, 4);
    assert.equal((await official.get('m')).content, 4);
  });

  test('both append to the same bytes and texts', async () => {
    const binary = official.binary();
    await official.upsert('text', 'b');
    await ours.append('text', 'ü');
    await binary.prepend('text', 'a');
    assert.equal(await ours.get('text'), 'abü');
    assert.equal((await official.get('text')).content, 'abü');
  });
});
