import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { MemcacheClient, type MultiRetrievalResponse } from 'memcache-client';
import { startServer } from '../../lib/testing/index.ts';
import { startMemcached } from './memcached.mts';
import { skipWithout } from './tool.mts';

type Done<Value> = (error: Error | undefined, value: Value) => void;
type Outcome = unknown;

/** What of npm's `memcached`, which has no types, is called here. */
interface Memcached {
  get(key: string, done: Done<unknown>): void;
  gets(key: string, done: Done<{ cas: string }>): void;
  getMulti(keys: string[], done: Done<unknown>): void;
  set(key: string, value: unknown, lifetime: number, done: Done<unknown>): void;
  add(key: string, value: unknown, lifetime: number, done: Done<unknown>): void;
  replace(key: string, value: unknown, lifetime: number, done: Done<unknown>): void;
  cas(key: string, value: unknown, cas: string, lifetime: number, done: Done<unknown>): void;
  append(key: string, value: unknown, done: Done<unknown>): void;
  prepend(key: string, value: unknown, done: Done<unknown>): void;
  incr(key: string, delta: number, done: Done<unknown>): void;
  decr(key: string, delta: number, done: Done<unknown>): void;
  touch(key: string, lifetime: number, done: Done<unknown>): void;
  del(key: string, done: Done<unknown>): void;
  flush(done: Done<unknown>): void;
  end(): void;
}

interface Memjs {
  get(key: string): Promise<{ value: Buffer | null }>;
  set(key: string, value: string, options: object): Promise<boolean>;
  close(): void;
}

const require = createRequire(import.meta.url);
const MemcachedClass: new (server: string, options: object) => Memcached = require('memcached');
const memjs: { Client: { create(servers: string, options: object): Memjs } } = require('memjs');

async function throughMemcached(port: number): Promise<Outcome[]> {
  const client = new MemcachedClass(`127.0.0.1:${port}`, { poolSize: 1, retries: 0, timeout: 60_000 });
  const outcomes: Outcome[] = [];
  const call = async <Value,>(start: (done: Done<Value>) => void): Promise<Value | undefined> => {
    const [error, value] = await new Promise<[Error | undefined, Value]>((resolve) => {
      start((...given) => resolve(given));
    });
    outcomes.push(error === undefined ? value : error.message);
    return value;
  };
  await call((done) => client.flush(done));
  await call((done) => client.set('a', { some: 'object' }, 100, done));
  await call((done) => client.set('b', 'text', 0, done));
  await call((done) => client.set('n', 41, 0, done));
  await call((done) => client.set('large', 'x'.repeat(300_000), 0, done));
  for (const key of ['a', 'b', 'n', 'large', 'missing']) await call((done) => client.get(key, done));
  await call((done) => client.getMulti(['a', 'b', 'n', 'missing'], done));
  await call((done) => client.add('a', 1, 0, done));
  await call((done) => client.add('c', true, 0, done));
  await call((done) => client.replace('missing', 1, 0, done));
  await call((done) => client.append('b', '>', done));
  await call((done) => client.prepend('b', '<', done));
  await call((done) => client.get('b', done));
  await call((done) => client.incr('n', 5, done));
  await call((done) => client.decr('n', 50, done));
  await call((done) => client.incr('missing', 1, done));
  const item = await call<{ cas: string }>((done) => client.gets('b', done));
  const cas = item?.cas ?? '';
  outcomes.pop();
  await call((done) => client.cas('b', 'newer', cas, 0, done));
  await call((done) => client.cas('b', 'newest', cas, 0, done));
  await call((done) => client.touch('b', 100, done));
  await call((done) => client.touch('missing', 100, done));
  await call((done) => client.del('b', done));
  await call((done) => client.del('b', done));
  await call((done) => client.get('b', done));
  client.end();
  return outcomes;
}

async function throughMemcacheClient(port: number): Promise<Outcome[]> {
  const client = new MemcacheClient({
    server: { server: `127.0.0.1:${port}`, maxConnections: 1 },
    cmdTimeout: 60_000,
  });
  const outcomes: Outcome[] = [];
  const note = async (promise: Promise<unknown>): Promise<void> => {
    outcomes.push(await promise.catch((error: Error) => error.message));
  };
  const valueIn = async (promise: Promise<{ value: unknown }>): Promise<unknown> => (await promise)?.value;
  const forever = { lifetime: 0 };
  await note(client.set('a', { some: 'object' }, forever));
  await note(client.set('b', 'text', { lifetime: 100 }));
  await note(client.set('n', 41, forever));
  await note(client.set('bytes', Buffer.from([0, 13, 10, 255]), forever));
  await note(client.set('packed', 'x'.repeat(100_000), { lifetime: 0, compress: true }));
  for (const key of ['a', 'b', 'n', 'bytes', 'packed', 'missing']) await note(valueIn(client.get(key)));
  const many = await client.get<MultiRetrievalResponse>(['a', 'b', 'missing', 'n']);
  outcomes.push(Object.entries(many).map(([key, { value }]) => [key, value]));
  await note(client.add('a', 1, forever));
  await note(client.replace('missing', 1, forever));
  await note(client.append('b', '>'));
  await note(client.prepend('b', '<'));
  await note(client.set('c', '10', forever));
  await note(client.incr('c', 5));
  await note(client.decr('c', 50));
  await note(client.incr('missing', 1));
  const { casUniq } = await client.gets<string>('b');
  assert.ok(casUniq !== undefined);
  await note(client.cas('b', 'newer', { casUniq, lifetime: 0 }));
  await note(client.cas('b', 'newest', { casUniq, lifetime: 0 }));
  await note(client.touch('b', 100));
  await note(client.delete('b'));
  await note(client.delete('b'));
  await note(valueIn(client.get('b')));
  await client.set('quiet', 'text', { noreply: true, lifetime: 0 });
  await note(valueIn(client.get('quiet')));
  client.shutdown();
  return outcomes;
}

for (const { name, through } of [
  { name: 'memcached', through: throughMemcached },
  { name: 'memcache-client', through: throughMemcacheClient },
])
  test(`${name} of npm works on the test server as on memcached`, {
    skip: skipWithout('memcached', 'memcached'),
  }, async () => {
    await using real = await startMemcached();
    await using server = await startServer();
    const outcomes = await through(server.port);
    assert.deepEqual(outcomes, await through(real.port));
    assert.ok(outcomes.length > 20);
  });

test('memjs authenticates, and what it stores is there for a client of the text protocol', async () => {
  const credentials = { username: 'ada', password: 'secret' };
  await using server = await startServer({ credentials });
  await using open = await startServer();
  const options = { ...credentials, retries: 0, timeout: 60 };
  const client = memjs.Client.create(`127.0.0.1:${server.port}`, options);
  assert.equal(await client.set('k', 'value', {}), true);
  assert.equal((await client.get('k')).value?.toString(), 'value');
  client.close();
  const plain = memjs.Client.create(`127.0.0.1:${open.port}`, { retries: 0, timeout: 60 });
  await plain.set('k', 'value', {});
  plain.close();
  const text = new MemcacheClient({ server: { server: `127.0.0.1:${open.port}`, maxConnections: 1 } });
  assert.equal((await text.get<string>('k')).value, 'value');
  text.shutdown();
});
