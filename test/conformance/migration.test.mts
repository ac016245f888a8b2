import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { transform } from 'esbuild';
import {
  type ConnectOptions,
  commonFlagsTranscoder,
  connect,
  Database,
  type Transcoder,
} from '../../lib/index.ts';
import { type Memcached, startMemcached } from './memcached.mts';
import { skipWithout } from './tool.mts';

const require = createRequire(import.meta.url);
const root = new URL('../../', import.meta.url);
const guide = await readFile(new URL('docs/clusters.md', root), 'utf8');

type Call = (...given: readonly unknown[]) => unknown;
type Theirs = Readonly<Record<string, Call>>;

const patient = { timeout: 60_000, connectTimeout: 60_000 };
const skip = skipWithout('memcached', 'memcached');
let servers: readonly Memcached[] = [];
before(async () => {
  if (!skip) servers = await Promise.all([startMemcached(), startMemcached()]);
});
after(() => Promise.all(servers.map((server) => server[Symbol.asyncDispose]())));

const sectionOf = (title: string): string => guide.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

/** The rows of the table whose first two heads are these. */
function rowsOf(section: string, theirs: string, ours: string): readonly (readonly [string, string])[] {
  const table = section
    .split(`\n| ${theirs} | ${ours} | what differs |\n|---|---|---|\n`)[1]
    ?.split('\n\n')[0];
  assert.ok(table !== undefined, theirs);
  return table.split('\n').map((line) => {
    const [, first = '', second = ''] = line.split(/ ?\| ?/);
    return [first, second];
  });
}

const addressOf = ({ port }: Memcached): string => `127.0.0.1:${port}`;
const urlOf = (server: Memcached): string => `memcached://${addressOf(server)}`;
const codesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
const nameOf = (index: number): string => addressOf(servers[index] as Memcached);
const here = (code: string): string =>
  code.replaceAll(/cache-(\d):11211/g, (_, number) => nameOf(number - 1));

async function run(code: string, scope: Readonly<Record<string, unknown>>): Promise<unknown> {
  const names = Object.keys(scope);
  const evaluate = new Function(...names, `return (${here(code)});`) as Call;
  if (!/\bdone\b/.test(code)) return evaluate(...names.map((name) => scope[name]));
  return new Promise((resolve, reject) => {
    const done = (error: unknown, value: unknown): void => (error ? reject(error) : resolve(value));
    evaluate(...names.map((name) => (name === 'done' ? done : scope[name])));
  });
}

/** What the example of a section calls its transcoder. */
async function transcoderOf(section: string, name: string): Promise<Transcoder> {
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(section) ?? [];
  const program = example.replaceAll(/^import .*$/gm, '').replace(/await using db[\s\S]*/, `return ${name};`);
  const { code } = await transform(`(function () {${program}})()`, { loader: 'ts' });
  return new Function('commonFlagsTranscoder', `return ${code}`)(commonFlagsTranscoder) as Transcoder;
}

const clients = [
  {
    title: 'Coming from memjs',
    name: 'memjs',
    heads: { calls: 'memjs', options: 'option of memjs' },
    placement: 'memjs',
    sources: ['memjs/lib/memjs/memjs.js', 'memjs/lib/memjs/server.js'],
    version: '1.3.2',
    open: (names: string): Theirs =>
      require('memjs').Client.create(names, { timeout: 60, conntimeout: 60, logger: { log() {} } }),
    end: (client: Theirs): unknown => client.close?.(),
  },
  {
    title: 'Coming from memcached of npm',
    name: 'memcached',
    heads: { calls: 'memcached of npm', options: 'option of memcached' },
    placement: 'npm-memcached',
    sources: ['memcached/lib/memcached.js'],
    version: '2.2.2',
    open: (names: string): Theirs => new (require('memcached'))(names.split(','), { timeout: 60_000 }),
    end: (client: Theirs): unknown => client.end?.(),
  },
] as const;

for (const { title, name, heads, placement, sources, version, open, end } of clients)
  describe(`the guide for those who come from ${name}`, { skip }, () => {
    const section = sectionOf(title);
    let client: Theirs;
    let db: Database;
    before(async () => {
      const names = `${nameOf(0)},${nameOf(1)}`;
      client = open(names);
      db = await connect(`memcached://${names}`, { ...patient, placement });
    });
    after(async () => {
      end(client);
      await db.close();
    });

    test('is about the version that is installed', () => {
      assert.equal(require(`${name}/package.json`).version, version);
      assert.ok(guide.includes(version));
    });

    for (const [theirs, ours] of rowsOf(section, heads.calls, 'evenkeel')) {
      const isNew = /\.(add|insert)\(/;
      test(`${theirs} is ${ours}`, async () => {
        const scope = {
          connect,
          memjs: require('memjs'),
          Memcached: require('memcached'),
          client,
          db,
          key: 'migration:key',
          value: 'value',
          text: 'text',
          keys: ['migration:key', 'missing'],
          counter: 'migration:counter',
          listener: () => {},
          server: nameOf(0),
          slab: 1,
          done: undefined,
        };
        for (const code of [codesIn(theirs)[0], codesIn(ours)[0]]) {
          // What ends them is tried at their end, and what changes statistics is the test server's to know.
          if (code === undefined || /\.(quit|close|end|resetStats|cachedump)\(/.test(code)) continue;
          await db.upsert(scope.counter, '10');
          if (isNew.test(code)) await db.remove(scope.key);
          else await db.upsert(scope.key, 'text');
          const record = await db.getRecord(scope.key);
          const result = await run(code, { ...scope, cas: String(record?.cas) });
          if (result instanceof Database) await result.close();
          else if (/Client\.create|new Memcached/.test(code)) end(result as Theirs);
          else if (/\.cancel|onTopology/.test(code)) (result as { cancel(): void }).cancel();
        }
        const called = /client\.(\w+)\(/.exec(theirs)?.[1];
        if (called !== undefined) assert.equal(typeof client[called], 'function');
      });
    }

    for (const [theirs, ours] of rowsOf(section, heads.options, 'evenkeel'))
      test(`${theirs} is ${ours}`, async () => {
        const known = (
          await Promise.all(sources.map((file) => readFile(new URL(`node_modules/${file}`, root), 'utf8')))
        ).join();
        const isTheirs = (option: string): boolean => new RegExp(`\\b${option}\\b`).test(known);
        for (const code of codesIn(theirs))
          for (const [, option = ''] of code.matchAll(/(?:^|, )(\w+): /g))
            assert.ok(isTheirs(option), option);
        const [code] = codesIn(ours);
        if (code === undefined || !code.includes(':')) return;
        const { encode, decode } = commonFlagsTranscoder;
        const options = await run(`{${code}}`, { encode, decode });
        await (
          await connect(`memcached://${nameOf(0)}`, { lazy: true, ...(options as ConnectOptions) })
        ).close();
      });
  });

test('memjs: what the guide says of it is so', { skip }, async () => {
  await using server = await startMemcached();
  await using db = await connect(urlOf(server), patient);
  const client = require('memjs').Client.create(addressOf(server), {
    timeout: 60,
    conntimeout: 60,
    logger: { log() {} },
  });
  assert.deepEqual(await client.get('missing'), { value: null, flags: null });
  await client.set('k', 'a', {});
  assert.equal(await client.add('k', 'b', {}), false);
  assert.equal(await client.replace('missing', 'b', {}), false);
  assert.equal(await client.delete('missing'), false);
  await client.prepend('k', '<');
  assert.equal((await client.get('k')).value.toString(), 'a<');
  await assert.rejects(client.append('missing', '>'));
  await client.increment('counter', 5, {});
  assert.equal((await db.get<Buffer>('counter'))?.toString(), '0');
  await db.upsert('counter', String(2 ** 32));
  assert.notEqual((await client.increment('counter', 1, {})).value, 2 ** 32 + 1);
  assert.equal(await db.increment('counter'), BigInt(2 ** 32 + 2));
  const month = 31 * 24 * 60 * 60;
  await client.set('k', 'gone', { expires: month });
  assert.equal(await db.get('k'), undefined);
  await db.upsert('k', 'there', { ttl: month });
  assert.equal((await client.get('k')).value.toString(), 'there');
  client.close();
});

test('memjs: values of each are read by the other as the guide says', { skip }, async () => {
  await using server = await startMemcached();
  const transcoder = await transcoderOf(sectionOf('Coming from memjs'), 'textOfMemjs');
  await using plain = await connect(urlOf(server), patient);
  await using db = await connect(urlOf(server), { ...patient, transcoder });
  const client = require('memjs').Client.create(addressOf(server), { timeout: 60, conntimeout: 60 });
  await client.set('theirs', 'é\r\n', {});
  assert.deepEqual(await plain.get('theirs'), Buffer.from('é\r\n'));
  assert.equal(await db.get('theirs'), 'é\r\n');
  const bytes = Buffer.from([0, 255, 13, 10]);
  for (const [value, stored] of [
    ['é\r\n', Buffer.from('é\r\n')],
    [bytes, bytes],
    [{ a: [1] }, Buffer.from('{"a":[1]}')],
  ] as const) {
    await db.upsert('ours', value);
    assert.deepEqual((await client.get('ours')).value, stored);
    assert.deepEqual(await db.get('ours'), value);
  }
  client.close();
});

const call = (start: (done: Call) => void): Promise<unknown> =>
  new Promise((resolve, reject) => {
    start((error: unknown, value: unknown) => (error ? reject(error) : resolve(value)));
  });

test('memcached of npm: what the guide says of it is so', { skip }, async () => {
  await using server = await startMemcached();
  await using db = await connect(urlOf(server), patient);
  const Memcached = require('memcached');
  const client = new Memcached(addressOf(server), { timeout: 60_000, namespace: 'shop:' });
  const isNotStored = (error: { notStored?: boolean }): boolean => error.notStored === true;
  await call((done) => client.set('k', 'a', 0, done));
  assert.deepEqual(await db.get('shop:k'), Buffer.from('a'));
  await assert.rejects(
    call((done) => client.add('k', 'b', 0, done)),
    isNotStored,
  );
  await assert.rejects(
    call((done) => client.replace('missing', 'b', 0, done)),
    isNotStored,
  );
  await assert.rejects(
    call((done) => client.append('missing', 'b', done)),
    isNotStored,
  );
  assert.equal(await call((done) => client.incr('missing', 1, done)), false);
  assert.equal(await call((done) => client.del('missing', done)), false);
  assert.equal(await call((done) => client.touch('missing', 60, done)), false);
  const { cas } = (await call((done) => client.gets('k', done))) as { cas: string };
  await db.upsert('shop:k', 'b');
  assert.equal(await call((done) => client.cas('k', 'c', cas, 0, done)), false);
  await assert.rejects(db.upsert('shop:k', 'c', { cas: BigInt(cas) }), { code: 'EVENKEEL_CAS_MISMATCH' });
  await call((done) => client.set('k', 'gone', 31 * 24 * 60 * 60, done));
  assert.equal(await db.get('shop:k'), undefined);
  const long = 'x'.repeat(300);
  await call((done) => client.set(long, 'v', 0, done));
  const name = createHash('md5').update(`shop:${long}`).digest('hex');
  assert.deepEqual(await db.get(name), Buffer.from('v'));
  client.end();
});

test('memcached of npm: values of each are read by the other with the transcoder of the guide', {
  skip,
}, async () => {
  await using server = await startMemcached();
  const transcoder = await transcoderOf(sectionOf('Coming from memcached of npm'), 'npmMemcached');
  await using plain = await connect(urlOf(server), patient);
  await using db = await connect(urlOf(server), { ...patient, transcoder });
  const Memcached = require('memcached');
  const client = new Memcached(addressOf(server), { timeout: 60_000 });
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const values = ['text', '', 'é\r\n\\\n', 41, -1.5, true, null, { a: [1, 'é\n'] }, bytes];
  for (const value of values) {
    await call((done) => client.set('theirs', value, 0, done));
    assert.ok(Buffer.isBuffer(await plain.get('theirs')));
    assert.deepEqual(await db.get('theirs'), value);
    await db.upsert('ours', value);
    assert.deepEqual(await call((done) => client.get('ours', done)), value);
    assert.deepEqual(await db.get('ours'), value);
    await plain.upsert('before', value);
    assert.deepEqual(await db.get('before'), value);
    const [theirs, ours] = await Promise.all([plain.getRecord('theirs'), plain.getRecord('ours')]);
    assert.deepEqual([ours?.flags, ours?.value], [theirs?.flags, theirs?.value]);
  }
  client.end();
});
