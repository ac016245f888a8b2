import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ClusterState } from '../../lib/cluster/couchbase/configurations.ts';
import { serversIn } from '../../lib/cluster/couchbase/network.ts';
import { partitionOf } from '../../lib/cluster/couchbase/partition-map.ts';
import { copiesOf } from '../../lib/cluster/couchbase/replicas.ts';
import { compareRevisions, supersedes } from '../../lib/cluster/couchbase/revision.ts';
import { routingTableOf, serverOf } from '../../lib/cluster/couchbase/routing-table.ts';
import { parsed } from './couchbase-configurations.mts';

// Of the zlib checksum of each key, computed elsewhere.
const vectors: [key: string, of1024: number, of64: number][] = [
  ['foo', 115, 51],
  ['bar', 767, 63],
  ['Hello', 977, 17],
  ['hello', 528, 16],
  ['counter', 290, 34],
  ['mykey', 102, 38],
  ['key_0', 226, 34],
  ['key_1', 997, 37],
  ['key_2', 748, 44],
  ['key_19', 684, 44],
  ['user:1001', 115, 51],
  ['user:1002', 378, 58],
  ['airline_10', 361, 41],
  ['airport_1254', 405, 21],
  ['session::9f8e7d', 1008, 48],
  ['a', 183, 55],
  ['', 0, 0],
  ['0', 219, 27],
  ['été', 209, 17],
  ['x'.repeat(250), 360, 40],
];

test('keys go to the partitions that other clients have them in', () => {
  for (const [key, of1024, of64] of vectors) {
    assert.equal(partitionOf(key, 1024), of1024, key);
    assert.equal(partitionOf(key, 64), of64, key);
    assert.equal(partitionOf(Buffer.from(key), 1024), of1024, key);
  }
});

test('every key has a partition, whatever their number is', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 32768 }), (key, count) => {
      const partition = partitionOf(key, count);
      assert.ok(partition >= 0 && partition < count);
    }),
  );
});

const revisions = fc.record({
  epoch: fc.bigInt({ min: -1n, max: (1n << 63n) - 1n }),
  rev: fc.bigInt({ min: -1n, max: (1n << 63n) - 1n }),
});

test('revisions are ordered by epoch and then by rev, in all of their 64 bits', () => {
  assert.equal(compareRevisions({ epoch: 1n, rev: 9n }, { epoch: 2n, rev: 1n }), -1);
  assert.equal(compareRevisions({ epoch: 2n, rev: 1n }, { epoch: 1n, rev: 9n }), 1);
  // In 32 bits the difference would be 0, or negative.
  assert.equal(compareRevisions({ epoch: 1n, rev: (1n << 32n) + 1n }, { epoch: 1n, rev: 1n }), 1);
  assert.equal(compareRevisions({ epoch: 1n, rev: 1n << 31n }, { epoch: 1n, rev: 0n }), 1);
  fc.assert(
    fc.property(revisions, revisions, revisions, (a, b, c) => {
      assert.equal(compareRevisions(a, b), -compareRevisions(b, a) + 0);
      assert.equal(compareRevisions(a, a), 0);
      if (compareRevisions(a, b) <= 0 && compareRevisions(b, c) <= 0) assert.ok(compareRevisions(a, c) <= 0);
    }),
  );
});

test('only a newer configuration takes the place of another one', () => {
  const current = parsed({ rev: 5, revEpoch: 3 });
  const cases: [changes: Record<string, unknown>, isTaken: boolean][] = [
    [{ rev: 6, revEpoch: 3 }, true],
    [{ rev: 5, revEpoch: 3 }, false],
    [{ rev: 4, revEpoch: 3 }, false],
    [{ rev: 1, revEpoch: 4 }, true],
    [{ rev: 9, revEpoch: 2 }, false],
    [{ rev: 9, revEpoch: undefined }, false],
    [{ rev: undefined, revEpoch: 9 }, false],
    [{ rev: undefined, revEpoch: undefined }, false],
  ];
  for (const [changes, isTaken] of cases)
    assert.equal(supersedes(parsed(changes), current), isTaken, JSON.stringify(changes));
  const without = parsed({ rev: undefined, revEpoch: undefined });
  assert.equal(supersedes(without, undefined), true);
  assert.equal(supersedes(without, without), false);
  assert.equal(supersedes(current, without), true);
});

test("a bucket's configuration takes the place of the cluster's, whatever their revisions are", () => {
  const global = { name: undefined, nodes: undefined, vBucketServerMap: undefined };
  const ofCluster = parsed({ ...global, rev: 9 });
  assert.equal(supersedes(parsed({ rev: 5 }), ofCluster), true);
  assert.equal(supersedes(parsed({ ...global, rev: 99 }), parsed({ rev: 5 })), false);
  assert.equal(supersedes(parsed({ ...global, rev: 10 }), ofCluster), true);
});

test('copies of a partition are those that some server has, those of a server group where one is wanted', () => {
  const map = parsed();
  const both = [
    { copy: 0, server: 1 },
    { copy: 1, server: 0 },
  ];
  assert.deepEqual(copiesOf(map, 1), both);
  assert.deepEqual(copiesOf(map, 1, 'az1'), [both[1]]);
  assert.deepEqual(copiesOf(map, 1, 'az2'), [both[0]]);
  assert.deepEqual(copiesOf(map, 1, 'az3'), []);
  assert.deepEqual(copiesOf(map, 2), [{ copy: 0, server: 0 }]);
  assert.deepEqual(copiesOf(map, 3), [{ copy: 1, server: 0 }]);
  assert.deepEqual(copiesOf(map, 99), []);
  assert.deepEqual(copiesOf(parsed({ vBucketServerMap: undefined }), 0), []);
});

describe('a routing table', () => {
  const stateOf = (changes: Record<string, unknown> = {}, isEncrypted = false): ClusterState => {
    const map = parsed(changes);
    return { map, network: 'default', servers: serversIn(map, 'default', isEncrypted) };
  };

  test('has the servers that can be connected to, and where among them each copy of a partition is', () => {
    const { servers, partitions, copies, rows } = routingTableOf(stateOf());
    assert.deepEqual(
      servers.map(({ host }) => host),
      ['10.0.0.7', '10.0.0.8'],
    );
    assert.deepEqual([partitions, copies, ...rows], [4, 2, 0, 1, 1, 0, 0, -1, -1, 0]);
    const halfEncrypted = routingTableOf(stateOf({ 'nodesExt.0.services': { kv: 11210 } }, true));
    assert.deepEqual(halfEncrypted.servers, [{ host: '10.0.0.8', port: 11207 }]);
    assert.deepEqual([...halfEncrypted.rows], [-1, 0, 0, -1, -1, -1, -1, -1]);
  });

  test('has no server for any key while no partitions are given out', () => {
    const table = routingTableOf(stateOf({ vBucketServerMap: undefined }));
    assert.equal(table.partitions, 0);
    assert.equal(serverOf(table, 'key'), undefined);
  });

  test('sends every key to the server that the configuration names, for every copy', () => {
    const rowsOf = (servers: number): fc.Arbitrary<number[]> =>
      fc.array(fc.integer({ min: -1, max: servers - 1 }), { minLength: 1, maxLength: 4 });
    const clusters = fc
      .integer({ min: 1, max: 5 })
      .chain((servers) =>
        fc.tuple(fc.constant(servers), fc.array(rowsOf(servers), { minLength: 1, maxLength: 64 })),
      );
    fc.assert(
      fc.property(clusters, fc.string(), ([servers, vBucketMap], key) => {
        const nodes = Array.from({ length: servers }, (_, index) => ({
          hostname: `n${index}`,
          services: { kv: 1 },
        }));
        const serverList = nodes.map(({ hostname }) => `${hostname}:1`);
        const vBucketServerMap = { numReplicas: 3, serverList, vBucketMap };
        const table = routingTableOf(stateOf({ nodes, nodesExt: nodes, vBucketServerMap }));
        const row = vBucketMap[((crc32(key) >>> 16) & 0x7fff) % vBucketMap.length];
        for (let copy = 0; copy < 4; copy += 1) {
          const index = row?.[copy] ?? -1;
          assert.equal(serverOf(table, key, copy)?.host, index === -1 ? undefined : `n${index}`);
        }
        assert.equal(serverOf(table, key, 4), undefined);
      }),
    );
  });
});

/** Bit by bit. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
