import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { type CouchbaseTarget, parseCouchbaseUrl } from '../../lib/cluster/couchbase/connection-string.ts';
import { findSeeds, type ServiceRecord } from '../../lib/cluster/couchbase/seeds.ts';
import { ConnectionError, InvalidArgumentError } from '../../lib/errors.ts';
import { ManualTimers } from './manual-timers.mts';

const plain: CouchbaseTarget = {
  engine: 'couchbase',
  seeds: [{ host: '10.0.0.1', port: 11210 }],
  srv: 'none',
  bucket: undefined,
  isEncrypted: false,
  credentials: undefined,
};
const at = (...names: string[]): CouchbaseTarget['seeds'] =>
  names.map((name) => {
    const [host = '', port] = name.split('|');
    return { host, port: Number(port) };
  });

describe('a couchbase url', () => {
  const good: [url: string, says: Partial<CouchbaseTarget>][] = [
    ['couchbase://10.0.0.1', {}],
    ['couchbase://10.0.0.1/', {}],
    ['couchbase://10.0.0.1/orders', { bucket: 'orders' }],
    ['couchbase://10.0.0.1/b%25%2D1', { bucket: 'b%-1' }],
    ['couchbase://10.0.0.1:1234', { seeds: at('10.0.0.1|1234') }],
    ['couchbases://10.0.0.1', { isEncrypted: true, seeds: at('10.0.0.1|11207') }],
    ['couchbase://h1,h2:1/b', { seeds: at('h1|11210', 'h2|1'), bucket: 'b' }],
    ['couchbases://h1:2,h2', { seeds: at('h1|2', 'h2|11207'), isEncrypted: true }],
    ['couchbase://[::1]', { seeds: at('::1|11210') }],
    ['couchbase://[2001:db8::1]:99,a/b', { seeds: at('2001:db8::1|99', 'a|11210'), bucket: 'b' }],
    ['couchbase://a:b%40c@10.0.0.1/x', { credentials: { username: 'a', password: 'b@c' }, bucket: 'x' }],
    ['couchbase://cluster.example', { seeds: at('cluster.example|11210'), srv: 'if there' }],
    ['couchbase://cluster.example:11210', { seeds: at('cluster.example|11210') }],
    ['couchbase://localhost', { seeds: at('localhost|11210') }],
    ['couchbase+dnssrv://c.example', { seeds: at('c.example|11210'), srv: 'required' }],
    [
      'couchbases+dnssrv://c.example/b',
      { seeds: at('c.example|11207'), srv: 'required', isEncrypted: true, bucket: 'b' },
    ],
  ];
  for (const [url, says] of good)
    test(url, () => {
      assert.deepEqual(parseCouchbaseUrl(url), { ...plain, ...says });
    });

  test('has the port and the service of TLS where the options ask for it', async () => {
    assert.deepEqual(parseCouchbaseUrl('couchbase://h1,h2:1', true), {
      ...plain,
      isEncrypted: true,
      seeds: at('h1|11207', 'h2|1'),
    });
    const resolve = async (name: string) => [{ name, port: 1, priority: 1 }];
    const target = parseCouchbaseUrl('couchbase://c.example', true);
    assert.deepEqual(
      await findSeeds(target, resolve, new ManualTimers(), 1000),
      at('_couchbases._tcp.c.example|1'),
    );
  });

  const bad: [url: string, why: string][] = [
    ['couchbase:', 'names no host'],
    ['couchbase://', 'names no host behind the slashes'],
    ['couchbase:///bucket', 'has a bucket and no host'],
    ['COUCHBASE://h', 'has a scheme in capitals'],
    ['couchbasess://h', 'has another scheme'],
    ['couchbase+explicit://h:1', 'has a scheme of other clients'],
    ['couchbase://h:0', 'has port 0'],
    ['couchbase://h:65536', 'has a port above 65535'],
    ['couchbase://h:1=mcd', 'has a protocol behind its port'],
    ['couchbase://h:8091', 'has the port of management'],
    ['couchbases://a,h:18091', 'has the port of management with TLS'],
    ['couchbase://a,,b', 'has an empty host'],
    ['couchbase://a;b', 'has a semicolon'],
    ['couchbase://::1', 'has an IPv6 address without brackets'],
    ['couchbase://h/a/b', 'has two buckets'],
    ['couchbase://h/a b', 'has a bucket with a space'],
    ['couchbase://h/%', 'has a bucket that is not percent-encoded'],
    ['couchbase://h/a%00', 'has a bucket with a zero byte'],
    [`couchbase://h/${'b'.repeat(101)}`, 'has a bucket of 101 characters'],
    ['couchbase://h#1', 'has a fragment'],
    ['couchbase://h?', 'has an empty query'],
    ['couchbase+dnssrv://a,b', 'asks for the service of two names'],
    ['couchbase+dnssrv://a:1', 'asks for the service of a port'],
    ['couchbase+dnssrv://10.0.0.1', 'asks for the service of an address'],
    ['couchbase://user@h', 'has a user without a password'],
    ['couchbase://user:a@b@h', 'has an @ in its password'],
    [`couchbase://${'a,'.repeat(256)}b`, 'has 257 hosts'],
  ];
  for (const [url, why] of bad)
    test(`that ${why} is refused`, () => {
      assert.throws(
        () => parseCouchbaseUrl(url),
        (error) => error instanceof InvalidArgumentError && error.context.argument === 'url',
      );
    });

  test('has no options, and the error says where one goes', () => {
    assert.throws(
      () => parseCouchbaseUrl('couchbase://h/b?network=external&x=1'),
      /connect\(\), here network:/,
    );
    assert.throws(() => parseCouchbaseUrl('couchbase://h?certpath=x'), /here tls\.cert:/);
    assert.throws(() => parseCouchbaseUrl('couchbase://h?colour=red'), /options are passed to connect\(\):/);
  });

  for (const url of [
    'couchbase://user:s3cret@h:x',
    'couchbase://user:s3cret:more',
    'couchbase://user:s3cret@h:8091',
    'couchbase://user:s3,cret/@h',
    'couchbase://user:s3cret@a,user:s3cret@b',
    'couchbase://h?password=s3cret',
    'couchbase://user:%s3cret@h',
    'couchbase://h#s3cret',
  ])
    test(`is never shown with what may be a password: ${url}`, () => {
      assert.throws(
        () => parseCouchbaseUrl(url),
        (error) => !/s3|cret/.test(inspect(error, { depth: 10, showHidden: true })),
      );
    });

  test('of whatever text is understood or refused as an argument', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          const { seeds } = parseCouchbaseUrl(`couchbase://${text}`);
          assert.ok(seeds.length > 0 && seeds.every(({ port }) => port > 0 && port < 65536));
        } catch (error) {
          assert.ok(error instanceof InvalidArgumentError, `${error}`);
        }
      }),
    );
  });
});

describe('seeds', () => {
  const timers = new ManualTimers();
  const service = parseCouchbaseUrl('couchbases://c.example');
  const record = (name: string, port: number, priority = 1): ServiceRecord => ({ name, port, priority });

  test('are what DNS names for the service, the preferred ones first', async () => {
    const asked: string[] = [];
    const resolve = async (name: string): Promise<ServiceRecord[]> => {
      asked.push(name);
      return [record('b.example.', 2, 2), record('a.example', 1, 1), record('a.example.', 1, 3)];
    };
    assert.deepEqual(await findSeeds(service, resolve, timers, 1000), at('a.example|1', 'b.example|2'));
    await findSeeds(parseCouchbaseUrl('couchbase://d.example'), resolve, timers, 1000);
    assert.deepEqual(asked, ['_couchbases._tcp.c.example', '_couchbase._tcp.d.example']);
    assert.equal(timers.waiting, 0);
  });

  test('are those of the url where DNS does not know, and there it is an error only if the url wants a service', async () => {
    const outcomes: (() => Promise<ServiceRecord[]>)[] = [
      () => Promise.reject(new Error('ENOTFOUND')),
      () => Promise.resolve([]),
      () => {
        throw new Error('a bug');
      },
      () => Promise.resolve([record('a b', 1), record('', 1), record('x'.repeat(300), 1), record('a', 0)]),
    ];
    for (const resolve of outcomes) {
      assert.deepEqual(await findSeeds(service, resolve, timers, 1000), service.seeds);
      await assert.rejects(
        findSeeds({ ...service, srv: 'required' }, resolve, timers, 1000),
        ConnectionError,
      );
    }
  });

  test('are not waited for longer than the timeout', async () => {
    const slow = findSeeds(service, () => new Promise(() => {}), timers, 1000);
    timers.pass(1000);
    assert.deepEqual(await slow, service.seeds);
  });

  test('are not asked for where the url has an address, a port or several hosts', async () => {
    const never = (): never => assert.fail();
    for (const url of [
      'couchbase://10.0.0.1',
      'couchbase://a:1',
      'couchbase://a,b',
      'couchbase://localhost',
    ]) {
      const target = parseCouchbaseUrl(url);
      assert.deepEqual(await findSeeds(target, never, timers, 1000), target.seeds);
    }
  });

  test('have a bound, whatever DNS tells', async () => {
    const records = Array.from({ length: 5000 }, (_, index) => record(`n${index}`, 1));
    const seeds = await findSeeds(service, async () => records, timers, 1000);
    assert.equal(seeds.length, 256);
  });
});
