import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import {
  nameOfServer,
  parseConnectionString,
  type ServerAddress,
} from '../../lib/cluster/connection-string.ts';
import type { Credentials } from '../../lib/cluster/credentials.ts';
import { connect } from '../../lib/connect.ts';
import { InvalidArgumentError, UnsupportedError } from '../../lib/errors.ts';

const serverOf = (url: string): ServerAddress | undefined => {
  const target = parseConnectionString(url);
  return target.engine === 'memcached' ? target.servers[0] : undefined;
};

describe('a memcached url', () => {
  const good: [url: string, server: ServerAddress, name: string][] = [
    ['memcached://cache.example:11212', { host: 'cache.example', port: 11212 }, 'cache.example:11212'],
    ['memcached://cache.example', { host: 'cache.example', port: 11211 }, 'cache.example:11211'],
    ['memcached://cache.example/', { host: 'cache.example', port: 11211 }, 'cache.example:11211'],
    ['memcached://10.0.0.1:1', { host: '10.0.0.1', port: 1 }, '10.0.0.1:1'],
    ['memcached://h:65535/', { host: 'h', port: 65535 }, 'h:65535'],
    ['memcached://[::1]:11212', { host: '::1', port: 11212 }, '[::1]:11212'],
    ['memcached://[2001:db8::1]', { host: '2001:db8::1', port: 11211 }, '[2001:db8::1]:11211'],
    ['memcached://[::ffff:127.0.0.1]', { host: '::ffff:127.0.0.1', port: 11211 }, '[::ffff:127.0.0.1]:11211'],
    ['memcached:///run/cache.sock', { path: '/run/cache.sock' }, '/run/cache.sock'],
    ['memcached:///run/my%20cache.sock', { path: '/run/my cache.sock' }, '/run/my cache.sock'],
    ['memcached:///run/100%', { path: '/run/100%' }, '/run/100%'],
    ['memcached:///run/user@1:2', { path: '/run/user@1:2' }, '/run/user@1:2'],
    ['memcached:///run/1:user%402', { path: '/run/1:user@2' }, '/run/1:user@2'],
  ];
  for (const [url, server, name] of good) {
    test(`${url} names ${name}`, () => {
      assert.deepEqual(parseConnectionString(url), {
        engine: 'memcached',
        servers: [server],
        isEncrypted: false,
        credentials: undefined,
      });
      assert.equal(nameOfServer(server), name);
    });
  }

  const bad: [url: string, why: string][] = [
    ['', 'is empty'],
    ['localhost:11211', 'has no scheme'],
    ['memcached:localhost', 'has no slashes'],
    ['http://localhost', 'has a scheme of something else'],
    ['MEMCACHED://localhost', 'has a scheme in capitals'],
    ['memcached://', 'names no host'],
    ['memcached://:11211', 'has a port and no host'],
    ['memcached://h:0', 'has port 0'],
    ['memcached://h:65536', 'has a port above 65535'],
    ['memcached://h:1e3', 'has a port that is no number'],
    ['memcached://h:', 'has an empty port'],
    ['memcached://::1', 'has an IPv6 address without brackets'],
    ['memcached://[::1', 'has an open bracket'],
    ['memcached://[cache.example]', 'has a name in brackets'],
    ['memcached://user@h', 'has a user without a password'],
    ['memcached://user:@h', 'has an empty password'],
    ['memcached://:secret@h', 'has a password without a user'],
    ['memcached://user:50%@h', 'has a password that is not percent-encoded'],
    ['memcached://user:a%00b@h', 'has a zero byte in its password'],
    [`memcached://user:${'p'.repeat(1001)}@h`, 'has a password of 1001 bytes'],
    ['memcached://user:se@cret@h', 'has an @ in its password'],
    ['memcached://a:b@h,c:d@i', 'has a user before another server'],
    ['memcached://user:secret@', 'has a user and no host'],
    ['memcached://h/path', 'has a host and a path'],
    ['memcached://h?timeout=1', 'has a query'],
    ['memcached://h#1', 'has a fragment'],
    ['memcached://a b', 'has a space'],
    [`memcached:///${'a'.repeat(103)}`, 'has a path of 104 bytes'],
    [`memcached:///${'%C3%BC'.repeat(52)}`, 'has a path of 105 bytes in 53 characters'],
    ['memcached:///run/a%00b', 'has a path with a zero byte'],
    ['memcached://127.0.0.1\0.example.com', 'has a zero byte in its host'],
    ['memcached://127.0.0.1\u001b[31m', 'has a control character in its host'],
    ['memcached://cache\u0085.example', 'has a control character of C1 in its host'],
    ['memcached://cache\u202e.example', 'turns the direction of writing'],
    [`memcached://${'a'.repeat(254)}`, 'has a host longer than a name can be'],
  ];
  for (const [url, why] of bad) {
    test(`that ${why} is refused`, async () => {
      const refusal = (error: unknown): boolean =>
        error instanceof InvalidArgumentError && error.context.argument === 'url';
      assert.throws(() => parseConnectionString(url), refusal);
      await assert.rejects(connect(url), refusal);
    });
  }

  test('may have a path of 103 bytes', () => {
    const path = `/${'a'.repeat(102)}`;
    assert.deepEqual(serverOf(`memcached://${path}`), { path });
  });
});

describe('what may be credentials is never shown', () => {
  const urls = [
    'memcached://user:s3cret@h:x',
    'memcached://user:s3cret:more',
    'memcached://user:s3cret:more,host',
    'memcached://[user:s3cret]',
    'memcached://user:[s3cret',
    'memcached://user:s3cret]:12',
    'memcached//user:s3cret',
    'memcached:/user:s3cret',
    'memcached://user:s3?cret@h',
    'memcached://user:s3#cret@h',
    'memcached://user:s3cret',
    'memcached://user:%s3cret@h',
    'memcached://:s3cret@h',
    'memcached://user:s3,cret/@h',
    'memcached://user:s3cret@a,user:s3cret@b',
    'memcached://user:s3/cret@h',
    'memcached://user:p@s3cret@h',
    'memcached:///user:s3cret@h/path',
    'memcached:///user:s3/cret@h',
    'memcacheds:////user:s3cret@/path',
    'http://user:s3cret@h',
    'user:s3cret@h',
    'memcached://h?password=s3cret',
    'memcached://h#s3cret',
    'embedded://user:s3cret@h/path',
    'embedded:///path?key=s3cret',
    'MEMCACHED://user:s3cret@h',
  ];
  for (const url of urls) {
    test(`of ${url}`, async () => {
      await assert.rejects(connect(url), (error) => {
        assert.ok(error instanceof InvalidArgumentError, `${error}`);
        assert.doesNotMatch(inspect(error, { depth: 10, showHidden: true }), /s3|cret/);
        return true;
      });
    });
  }
});

test('what is no string is refused', () => {
  for (const url of [undefined, null, 1, new URL('memcached://localhost'), ['memcached://localhost']]) {
    assert.throws(() => parseConnectionString(url as unknown as string), {
      code: 'EVENKEEL_INVALID_ARGUMENT',
    });
  }
});

test('several servers are told apart by commas', () => {
  assert.deepEqual(parseConnectionString('memcached://a,b:1,[::1]:2'), {
    engine: 'memcached',
    servers: [
      { host: 'a', port: 11211 },
      { host: 'b', port: 1 },
      { host: '::1', port: 2 },
    ],
    isEncrypted: false,
    credentials: undefined,
  });
  assert.deepEqual(parseConnectionString('memcacheds://a'), {
    engine: 'memcached',
    servers: [{ host: 'a', port: 11211 }],
    isEncrypted: true,
    credentials: undefined,
  });
});

test('a user and a password may stand before the servers, percent-encoded', () => {
  const cases: [url: string, credentials: Credentials, servers: ServerAddress[]][] = [
    ['a:b@h', { username: 'a', password: 'b' }, [{ host: 'h', port: 11211 }]],
    [
      '%C3%BC%3A%40:p%2Fw%25+:,@h:1,i',
      { username: 'ü:@', password: 'p/w%+:,' },
      [
        { host: 'h', port: 1 },
        { host: 'i', port: 11211 },
      ],
    ],
    ['a:b@[::1]:2', { username: 'a', password: 'b' }, [{ host: '::1', port: 2 }]],
    ['a:b@/run/a@b', { username: 'a', password: 'b' }, [{ path: '/run/a@b' }]],
  ];
  for (const [url, credentials, servers] of cases)
    for (const isEncrypted of [false, true])
      assert.deepEqual(parseConnectionString(`memcached${isEncrypted ? 's' : ''}://${url}`), {
        engine: 'memcached',
        servers,
        isEncrypted,
        credentials,
      });
});

test('an engine to come is not supported yet, by name', async () => {
  await assert.rejects(
    connect('aerospike://host'),
    (error) => error instanceof UnsupportedError && error.message.includes('aerospike'),
  );
});

test('a url of Couchbase is for connect() only', () => {
  for (const engine of ['couchbase', 'couchbases'])
    assert.throws(
      () => parseConnectionString(`${engine}://host/bucket`),
      (error) => error instanceof UnsupportedError && error.message.includes('connect()'),
    );
});
