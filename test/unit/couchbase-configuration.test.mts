import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseConfiguration } from '../../lib/cluster/couchbase/configuration.ts';
import type { PartitionMap } from '../../lib/cluster/couchbase/partition-map.ts';
import { ConnectionError, EvenkeelError, UnsupportedError } from '../../lib/errors.ts';
import { long } from '../effort.mts';
import { origin, parsed, terse, terseWith } from './couchbase-configurations.mts';

const partitionsOf = (changes = {}): PartitionMap => {
  const partitions = parsed(changes).bucket?.partitions;
  assert.ok(partitions);
  return partitions;
};

describe('a terse configuration', () => {
  test('tells its revision, its bucket and what that can do', () => {
    const { revision, bucket, clusterCapabilities } = parsed();
    assert.deepEqual(revision, { epoch: 2n, rev: 4711n });
    assert.equal(bucket?.name, 'orders');
    assert.equal(bucket.uuid, 'b1946ac92492d2347c6235b4d2611184');
    assert.deepEqual([...bucket.capabilities], ['collections', 'durableWrite', 'xattr']);
    assert.deepEqual(clusterCapabilities, new Map([['n1ql', new Set(['enhancedPreparedStatements'])]]));
  });

  test('has all nodes, and apart from them those that serve data', () => {
    const { nodes, servers } = parsed();
    assert.deepEqual(
      nodes.map(({ internal, isOrigin, serverGroup }) => [internal.host, isOrigin, serverGroup]),
      [
        ['10.0.0.7', true, 'az1'],
        ['10.0.0.8', false, 'az2'],
        ['10.0.0.9', false, undefined],
      ],
    );
    assert.deepEqual(servers, nodes.slice(0, 2));
    assert.deepEqual(nodes[0]?.internal.ports, {
      kv: 11210,
      kvTls: 11207,
      management: 8091,
      managementTls: 18091,
    });
  });

  test('has alternate addresses, whose missing ports are the internal ones', () => {
    const external = parsed().nodes[1]?.alternates.get('external');
    assert.deepEqual(external, {
      host: 'db2.example.net',
      ports: { kv: 31210, kvTls: 11207, management: 8091, managementTls: undefined },
    });
  });

  test('has a partition map, and the one after the rebalance', () => {
    const partitions = partitionsOf();
    assert.equal(partitions.count, 4);
    assert.equal(partitions.replicas, 1);
    assert.deepEqual(
      [0, 1, 2, 3].map((each) => [partitions.serverOf(each), partitions.serverOf(each, 1)]),
      [
        [0, 1],
        [1, 0],
        [0, -1],
        [-1, 0],
      ],
    );
    assert.deepEqual(
      [0, 1, 2, 3].map((each) => partitions.nextServerOf(each)),
      [1, 1, 1, 1],
    );
    assert.deepEqual([...partitions.activeServers()], [0, 1, 0, -1]);
    assert.equal(
      partitionsOf({ 'vBucketServerMap.vBucketMapForward': undefined }).nextServerOf(0),
      undefined,
    );
    assert.equal(partitionsOf({ 'vBucketServerMap.vBucketMapForward': [] }).nextServerOf(0), undefined);
  });

  test('is read of bytes as it is of text', () => {
    const bytes = new Uint8Array(Buffer.from(`..${terseWith({ name: 'é' })}..`)).subarray(2, -2);
    assert.equal(parseConfiguration(bytes, origin).bucket?.name, 'é');
  });

  test('is as good without what old servers do not tell', () => {
    const { revision, bucket, servers } = parsed({
      rev: undefined,
      revEpoch: undefined,
      uuid: undefined,
      nodeLocator: undefined,
      bucketCapabilities: undefined,
      clusterCapabilities: undefined,
      nodesExt: undefined,
      'vBucketServerMap.numReplicas': undefined,
    });
    assert.deepEqual(revision, { epoch: -1n, rev: -1n });
    assert.equal(bucket?.partitions?.replicas, 0);
    assert.deepEqual(
      servers.map(({ internal }) => [internal.host, internal.ports.kv, internal.ports.management]),
      [
        ['10.0.0.7', 11210, 8091],
        ['10.0.0.8', 11210, 8091],
      ],
    );
  });

  test('cannot be changed', () => {
    const map = parsed();
    for (const part of [map, map.nodes, map.servers, map.revision, map.nodes[0], map.nodes[0]?.internal])
      assert.ok(Object.isFrozen(part));
    map.bucket?.partitions?.activeServers().fill(7);
    map.bucket?.partitions?.allServers().fill(7);
    assert.equal(map.bucket?.partitions?.serverOf(0), 0);
  });
});

describe('revisions are exact', () => {
  const texts = ['9223372036854775807', '9007199254740993', '1234567890123456', '0', '-1'];
  for (const text of texts) {
    test(text, () => {
      const config = terseWith({ rev: 'REV', revEpoch: 'REV' }).replaceAll('"REV"', text);
      assert.deepEqual(parseConfiguration(config, origin).revision, {
        epoch: BigInt(text),
        rev: BigInt(text),
      });
    });
  }

  test('of any 64 bits, wherever else numbers and escapes stand', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), fc.string(), (rev, comment) => {
        const config = terseWith({
          rev: 'REV',
          comment,
          [`${comment.replaceAll('.', '')}x`]: [1e300, 0.1, -12],
        });
        const text = config.replace('"rev":"REV"', `"rev":${rev}`);
        assert.equal(parseConfiguration(text, origin).revision.rev, rev);
      }),
    );
  });

  test('and digits within text are left as they are, behind whatever escapes', () => {
    const uuids = ['12345678901234567890', 'a"12345678901234567890"', '\\', '\\"1234567890123456789', '[{"]'];
    for (const uuid of uuids) assert.equal(parsed({ uuid, rev: 1 }).bucket?.uuid, uuid);
  });

  for (const text of [
    '9223372036854775808',
    '-2',
    '1.5',
    '1e3000',
    '18446744073709551616',
    `1${'0'.repeat(1e6)}`,
  ])
    test(`and ${text.slice(0, 30)} is none`, () => {
      const config = terseWith({ rev: 'REV' }).replace('"REV"', text);
      assert.throws(() => parseConfiguration(config, origin), ConnectionError);
    });
});

describe('whom the names of a configuration stand for', () => {
  test('$HOST and no name at all are where the origin was reached, IPv6 too', () => {
    const from = { host: '2001:db8::7', port: 11210 };
    const { servers } = parsed(
      { 'nodesExt.1.hostname': '2001:db8::8', 'nodesExt.0.hostname': '$HOST' },
      from,
    );
    assert.deepEqual(
      servers.map(({ internal }) => internal.host),
      ['2001:db8::7', '2001:db8::8'],
    );
    const old = parsed(
      { nodesExt: undefined, nodes: [{ hostname: '$HOST:8091' }, { hostname: '[2001:db8::8]:8091' }] },
      from,
    );
    assert.deepEqual(
      old.nodes.map(({ internal }) => internal.host),
      ['2001:db8::7', '2001:db8::8'],
    );
  });

  test('a node behind the first that `nodes` has serves no data yet', () => {
    const added = { hostname: '10.0.0.10', services: { kv: 11210 } };
    const { nodes, servers } = parsed({ 'nodesExt.3': added });
    assert.equal(nodes.length, 4);
    assert.equal(servers.length, 2);
  });

  test('indexes are those of the list of servers, in whatever order the nodes are', () => {
    const [first, second, third] = terse().nodesExt as unknown[];
    const map = parsed({
      nodesExt: [second, first, third],
      nodes: [{ hostname: '10.0.0.8:8091' }, { hostname: '$HOST:8091' }],
    });
    assert.deepEqual(
      map.servers.map(({ internal }) => internal.host),
      ['10.0.0.7', '10.0.0.8'],
    );
    assert.equal(map.nodes[0]?.internal.host, '10.0.0.8');
  });

  test('names that are told in two ways are paired by their place', () => {
    const map = parsed({ 'vBucketServerMap.serverList': ['$HOST:11210', 'node8.internal:11210'] });
    assert.equal(map.servers[1]?.internal.host, '10.0.0.8');
  });

  test('the configuration of the cluster has no bucket, and all nodes that serve data', () => {
    const map = parsed({
      name: undefined,
      uuid: undefined,
      nodeLocator: undefined,
      nodes: undefined,
      vBucketServerMap: undefined,
    });
    assert.equal(map.bucket, undefined);
    assert.equal(map.servers.length, 2);
  });

  test('a bucket that is being made has no partitions yet', () => {
    assert.equal(parsed({ 'vBucketServerMap.vBucketMap': [] }).bucket?.partitions, undefined);
    assert.equal(parsed({ vBucketServerMap: undefined }).bucket?.partitions, undefined);
  });

  test('rows may be shorter or longer than the number of replicas', () => {
    const partitions = partitionsOf({
      'vBucketServerMap.vBucketMap': [[0], [1, 0, -1, -1]],
      'vBucketServerMap.vBucketMapForward': undefined,
    });
    assert.deepEqual([...partitions.allServers()], [0, -1, 1, 0]);
  });
});

test('a bucket without partitions by its kind is not supported, and that is what the error says', () => {
  assert.throws(
    () => parsed({ nodeLocator: 'ketama', vBucketServerMap: undefined }),
    (error) => error instanceof UnsupportedError && error.message.includes('memcached bucket'),
  );
});

describe('what makes no sense is refused whole', () => {
  const many = (length: number, value: unknown): unknown[] => new Array(length).fill(value);
  const node = { hostname: 'a', services: { kv: 1 } };
  const bad: [why: string, changes: Record<string, unknown>][] = [
    ['a rev that is text', { rev: 'new' }],
    ['a rev that is null', { rev: null }],
    ['an epoch that is an object', { revEpoch: {} }],
    ['no node', { nodesExt: [] }],
    ['nodes that are no list', { nodesExt: {} }],
    ['a node that is null', { 'nodesExt.1': null }],
    ['a node that is a list', { 'nodesExt.1': [] }],
    ['a host that is a number', { 'nodesExt.1.hostname': 8 }],
    ['an empty host', { 'nodesExt.1.hostname': '' }],
    ['a host with a line break', { 'nodesExt.1.hostname': 'a\nb' }],
    ['a host longer than a name', { 'nodesExt.1.hostname': 'a'.repeat(254) }],
    ['services that are a number', { 'nodesExt.1.services': 7 }],
    ['port 0', { 'nodesExt.1.services.kv': 0 }],
    ['port 65536', { 'nodesExt.1.services.kv': 65536 }],
    ['a port with a fraction', { 'nodesExt.1.services.kv': 1.5 }],
    ['a port that is text', { 'nodesExt.1.services.kv': '11210' }],
    ['a port of 1e400', { 'nodesExt.1.services.kv': Number.MAX_VALUE }],
    ['a server group that is a number', { 'nodesExt.1.serverGroup': 1 }],
    ['alternate addresses that are a list', { 'nodesExt.1.alternateAddresses': [] }],
    ['an alternate address without a host', { 'nodesExt.1.alternateAddresses.external': { ports: {} } }],
    ['two nodes in one place', { 'nodesExt.2': { hostname: '10.0.0.8', services: { kv: 11210 } } }],
    ['more nodes than there can be', { nodesExt: many(1025, node) }],
    ['old nodes without a port', { nodesExt: undefined, nodes: [{ hostname: 'a' }] }],
    ['more servers than nodes', { 'vBucketServerMap.serverList': ['$HOST:11210', '10.0.0.8:11210', 'c:1'] }],
    ['one node for two servers', { 'vBucketServerMap.serverList': ['$HOST:11210', '$HOST:11207'] }],
    ['a server without a port', { 'vBucketServerMap.serverList': ['$HOST', '10.0.0.8:11210'] }],
    ['a server with port 99999', { 'vBucketServerMap.serverList': ['$HOST:11210', 'c:99999'] }],
    ['an index of no server', { 'vBucketServerMap.vBucketMap.0': [2, 0] }],
    ['an index of no replica', { 'vBucketServerMap.vBucketMap.0': [0, 2] }],
    ['an index below nobody', { 'vBucketServerMap.vBucketMap.0': [-2, 0] }],
    ['an index with a fraction', { 'vBucketServerMap.vBucketMap.0': [0.5, 0] }],
    ['an index of 2 to the 32nd', { 'vBucketServerMap.vBucketMap.0': [2 ** 32, 0] }],
    ['an index that is text', { 'vBucketServerMap.vBucketMap.0': ['0', 0] }],
    ['an index that is null', { 'vBucketServerMap.vBucketMap.0': [null, 0] }],
    ['a row that is no list', { 'vBucketServerMap.vBucketMap.0': 0 }],
    ['an empty row', { 'vBucketServerMap.vBucketMap.0': [] }],
    ['a row without end', { 'vBucketServerMap.vBucketMap.0': many(20_000, 0) }],
    ['an index of no server after the rebalance', { 'vBucketServerMap.vBucketMapForward.3': [9, 0] }],
    ['fewer partitions after the rebalance', { 'vBucketServerMap.vBucketMapForward': [[0, 1]] }],
    ['more partitions than keys can go to', { 'vBucketServerMap.vBucketMap': many(32769, [0, 1]) }],
    ['no partition map', { 'vBucketServerMap.vBucketMap': undefined }],
    ['four replicas', { 'vBucketServerMap.numReplicas': 4 }],
    ['replicas without number', { 'vBucketServerMap.numReplicas': -1 }],
    ['another hash', { 'vBucketServerMap.hashAlgorithm': 'MD5' }],
    ['a partition map that is a list', { vBucketServerMap: [] }],
    ['a bucket without a name', { name: undefined }],
    ['a name that is a number', { name: 7 }],
    ['another locator', { nodeLocator: 'other' }],
    ['capabilities that are text', { bucketCapabilities: 'collections' }],
    ['a capability that is a number', { bucketCapabilities: [1] }],
    ['capabilities of the cluster that are a list', { clusterCapabilities: [] }],
  ];
  for (const [why, changes] of bad)
    test(why, () => {
      assert.throws(() => parsed(changes), ConnectionError);
    });

  const texts = [
    '',
    ' ',
    'null',
    '1',
    '"text"',
    '[]',
    '{',
    '{"rev":1',
    '{"rev":01}',
    '{"a":"',
    '\u0000',
    '{}',
  ];
  for (const text of texts)
    test(`the text ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseConfiguration(text, origin), ConnectionError);
    });
});

describe('hostile texts cost a time that grows with their length only', () => {
  const size = 4 << 20;
  const cases: [what: string, text: string][] = [
    ['deep lists', '['.repeat(size)],
    ['deep objects', '{"a":'.repeat(size / 5)],
    ['open strings', '{"'.repeat(size / 2)],
    ['escapes without an end', `{"${'\\"'.repeat(size / 2)}`],
    ['digits without an end', `{"rev":${'9'.repeat(size)}}`],
    ['signs', `{"rev":${'-'.repeat(size)}}`],
    ['colons in a server', terseWith({ 'vBucketServerMap.serverList': [':'.repeat(size)] })],
    ['many networks', `{"nodesExt":[{"alternateAddresses":{${networks(200_000)}}}]}`],
    ['one long host', terseWith({ 'nodesExt.1.hostname': 'a'.repeat(size) })],
  ];
  for (const [what, text] of cases)
    test(what, () => {
      const begin = performance.now();
      assert.throws(() => parseConfiguration(text, origin), ConnectionError);
      assert.ok(performance.now() - begin < 20_000, 'the time grows with the square');
    });

  test('and 65 levels are too many', () => {
    const nested = (levels: number): string =>
      terseWith({ extra: 'DEEP' }).replace('"DEEP"', '['.repeat(levels) + ']'.repeat(levels));
    assert.throws(() => parseConfiguration(nested(64), origin), /more than 64 levels/);
    assert.equal(parseConfiguration(nested(63), origin).bucket?.name, 'orders');
  });

  test('and 100 MB are not looked at', () => {
    const bytes = Buffer.alloc(100 << 20, 0x20);
    assert.throws(() => parseConfiguration(bytes, origin), /more than \d+ bytes/);
  });

  test('what the error shows is short', () => {
    assert.throws(
      () => parsed({ name: undefined, 'nodesExt.1.hostname': 'x'.repeat(1 << 20) }),
      (error) => error instanceof ConnectionError && error.message.length < 300,
    );
  });
});

function networks(count: number): string {
  return Array.from({ length: count }, (_, index) => `"n${index}":{"hostname":"h"}`).join();
}

test('a configuration that was damaged anywhere is understood or refused with an error of this package', () => {
  const whole = terseWith({});
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(-1, 2 ** 31, 1e21, '$HOST', '__proto__', [], {}, null),
  );
  const paths = pathsOf(terse());
  const byValue = fc.dictionary(fc.constantFrom(...paths), values, { maxKeys: 3, minKeys: 1 });
  const byText = fc.array(
    fc.tuple(fc.nat(whole.length), fc.nat(3), fc.constantFrom('', '9', '"', '[', '{', ':', '\\', '-', 'e')),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  const look = (text: string): void => {
    try {
      const { servers, bucket } = parseConfiguration(text, origin);
      const table = bucket?.partitions?.allServers() ?? [];
      assert.ok(table.every((index) => index >= -1 && index < servers.length));
      assert.ok(servers.every((server) => server !== undefined));
    } catch (error) {
      assert.ok(error instanceof EvenkeelError, `${error} of ${text}`);
    }
  };
  fc.assert(
    fc.property(byValue, (changes) => {
      try {
        look(terseWith(changes));
      } catch (error) {
        // One change took away the place of another.
        if (!(error instanceof TypeError)) throw error;
      }
    }),
    { numRuns: long ? 20_000 : 200 },
  );
  fc.assert(
    fc.property(byText, (cuts) => {
      look(
        cuts.reduce(
          (text, [at, length, other]) => text.slice(0, at) + other + text.slice(at + length),
          whole,
        ),
      );
    }),
    { numRuns: long ? 20_000 : 300 },
  );
  look(whole.replace('"rev"', '"\\u0072ev"'));
});

function pathsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [path];
  const below = Object.entries(value).flatMap(([name, each]) =>
    pathsOf(each, path === '' ? name : `${path}.${name}`),
  );
  return path === '' ? below : [path, ...below];
}
