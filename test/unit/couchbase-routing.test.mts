import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { partitionOf } from '../../lib/cluster/couchbase/partition-map.ts';
import { copiesOf } from '../../lib/cluster/couchbase/replicas.ts';
import { compareRevisions, supersedes } from '../../lib/cluster/couchbase/revision.ts';
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
