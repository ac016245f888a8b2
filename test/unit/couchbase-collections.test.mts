import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type CollectionAnswer,
  CollectionIds,
  checkCollectionName,
  manifestOf,
} from '../../lib/cluster/couchbase/collections.ts';
import { InvalidArgumentError } from '../../lib/errors.ts';

/** A server with collections, which counts how often it is asked. */
class Server {
  readonly asked: string[] = [];
  readonly known = new Map<string, CollectionAnswer>();
  readonly ids = new CollectionIds(async (path) => {
    this.asked.push(path);
    const answer = this.known.get(path);
    if (answer === undefined) throw new Error(`unknown: ${path}`);
    return answer;
  });

  constructor() {
    this.known.set('shop.orders', { manifest: 7n, id: 9 });
  }
}

describe('the id of a collection', () => {
  test('is asked for once, also by several at the same time', async () => {
    const { ids, asked } = new Server();
    const all = await Promise.all([1, 2, 3].map(() => ids.idOf('shop', 'orders')));
    assert.deepEqual(all, [9, 9, 9]);
    assert.equal(ids.idOf('shop', 'orders'), 9);
    assert.deepEqual(asked, ['shop.orders']);
  });

  test('of the default one is 0, without a question', () => {
    const { ids, asked } = new Server();
    assert.equal(ids.idOf('_default', '_default'), 0);
    assert.deepEqual(asked, []);
  });

  test('of another one in the default scope is asked for', async () => {
    const server = new Server();
    server.known.set('_default.orders', { manifest: 1n, id: 12 });
    assert.equal(await server.ids.idOf('_default', 'orders'), 12);
  });

  test('that nobody knows is asked for again by the next one', async () => {
    const server = new Server();
    const both = await Promise.allSettled([server.ids.idOf('shop', 'new'), server.ids.idOf('shop', 'new')]);
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(server.asked.length, 1);
    server.known.set('shop.new', { manifest: 8n, id: 10 });
    assert.equal(await server.ids.idOf('shop', 'new'), 10);
  });

  test('of a question that throws is asked for again, too', async () => {
    let attempts = 0;
    const ids = new CollectionIds(() => {
      attempts += 1;
      throw new Error('a bug');
    });
    for (let each = 0; each < 3; each += 1) await assert.rejects(async () => ids.idOf('a', 'b'));
    assert.equal(attempts, 3);
  });
});

test('ids are forgotten when there are more than a bucket can have collections', async () => {
  const server = new Server();
  const count = 5000;
  for (let i = 0; i < count; i += 1) {
    server.known.set(`tenants.t${i}`, { manifest: BigInt(i), id: 100 + i });
    assert.equal(await server.ids.idOf('tenants', `t${i}`), 100 + i);
  }
  assert.equal(server.ids.idOf('tenants', `t${count - 1}`), 100 + count - 1);
  assert.equal(server.asked.length, count);
  assert.equal(await server.ids.idOf('tenants', 't0'), 100);
  assert.equal(server.asked.length, count + 1);
});

test('a forgotten question is answered all the same', async () => {
  const ends: ((answer: CollectionAnswer) => void)[] = [];
  const ids = new CollectionIds(() => new Promise((resolve) => ends.push(resolve)));
  const asked = Array.from({ length: 5000 }, (_, i) => ids.idOf('tenants', `t${i}`));
  await Promise.resolve();
  for (const [id, end] of ends.entries()) end({ manifest: 1n, id });
  assert.deepEqual(await Promise.all(asked), [...asked.keys()]);
  assert.ok(ids.idOf('tenants', 't0') instanceof Promise);
});

test('ids of a bucket that was dropped are forgotten, also by those who wait for one', async () => {
  const { ids, known, asked } = new Server();
  assert.equal(await ids.idOf('shop', 'orders'), 9);
  known.set('shop.orders', { manifest: 2n, id: 10 });
  ids.clear();
  assert.equal(ids.unknown('shop', 'orders', 9, 2n), 'ask', 'its manifest is not an older one');
  assert.equal(await ids.idOf('shop', 'orders'), 10);
  const waiting = ids.idOf('shop', 'users');
  known.set('shop.users', { manifest: 1n, id: 8 });
  await undefined;
  ids.clear();
  known.set('shop.users', { manifest: 2n, id: 9 });
  assert.equal(await waiting, 9);
  assert.deepEqual(asked.slice(-2), ['shop.users', 'shop.users']);
  const failing = ids.idOf('shop', 'new');
  await undefined;
  ids.clear();
  known.set('shop.new', { manifest: 2n, id: 11 });
  assert.equal(await failing, 11);
});

describe('a server that does not know a collection', () => {
  const resolved = async (): Promise<Server> => {
    const server = new Server();
    await server.ids.idOf('shop', 'orders');
    return server;
  };

  test('and has a newer manifest makes the next one ask', async () => {
    const server = await resolved();
    server.known.set('shop.orders', { manifest: 8n, id: 11 });
    assert.equal(server.ids.unknown('shop', 'orders', 9, 8n), 'ask');
    assert.equal(await server.ids.idOf('shop', 'orders'), 11);
    assert.equal(server.ids.unknown('shop', 'orders', 9, 8n), 'ask', 'it was sent by the old id');
    assert.equal(server.ids.idOf('shop', 'orders'), 11);
    assert.equal(server.asked.length, 2);
  });

  test('and has an older manifest has not heard of it yet', async () => {
    const server = await resolved();
    assert.equal(server.ids.unknown('shop', 'orders', 9, 6n), 'wait');
    assert.equal(server.ids.idOf('shop', 'orders'), 9);
  });

  test('and has the same manifest is right', async () => {
    const server = await resolved();
    assert.equal(server.ids.unknown('shop', 'orders', 9, 7n), 'gone');
    assert.equal(server.ids.unknown('_default', '_default', 0, 7n), 'gone');
  });

  test('and does not tell its manifest makes the next one ask', async () => {
    const server = await resolved();
    assert.equal(server.ids.unknown('shop', 'orders', 9, undefined), 'ask');
    assert.equal(server.ids.unknown('shop', 'orders', 9, undefined), 'ask', 'while it is not known');
    await server.ids.idOf('shop', 'orders');
    assert.equal(server.asked.length, 2);
  });
});

describe('what a body says of the manifest', () => {
  test('is its uid, in hexadecimal', () => {
    assert.equal(manifestOf(Buffer.from('{"manifest_uid":"a2"}')), 0xa2n);
    assert.equal(manifestOf('{"manifest_uid":"FFFFFFFFFFFFFFFF"}'), (1n << 64n) - 1n);
  });

  test('is nothing in any other body', () => {
    const bodies = ['', '{', 'null', '[]', '{}', 'Unknown collection'];
    const uids = ['', 'x', '0x12', '-1', '1'.repeat(17), 'a'.repeat(1e6), 7, null, {}];
    for (const body of [...bodies, ...uids.map((uid) => JSON.stringify({ manifest_uid: uid }))])
      assert.equal(manifestOf(body), undefined);
    fc.assert(fc.property(fc.string(), (body) => manifestOf(body) === undefined));
    fc.assert(fc.property(fc.json(), (body) => manifestOf(body) === undefined));
  });
});

test('names are what a bucket may have', () => {
  for (const name of ['a', '_default', '_system', 'A-1_%', 'x'.repeat(251)])
    assert.equal(checkCollectionName('scope', name), name);
  for (const name of ['', 'x'.repeat(252), 'a.b', 'a b', 'é', 'a\n', '\0', 7, null, undefined, {}])
    for (const argument of ['scope', 'collection'] as const)
      assert.throws(
        () => checkCollectionName(argument, name),
        (error) => error instanceof InvalidArgumentError && error.context.argument === argument,
      );
});
