import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import * as layout from '../../lib/native/layout.ts';
import { bucketsOf, latencyOf, latencySince } from '../../lib/observability/latency.ts';

const words = (): Float64Array => new Float64Array(layout.METER_WORDS);

test('a bucket ends where the next one begins, at most a sixteenth above its own beginning', () => {
  const buckets = bucketsOf(words().fill(1));
  assert.equal(buckets[0]?.upTo, 0.001);
  assert.equal(buckets.at(-1)?.upTo, 2 ** 32 / 1000);
  for (const [i, { upTo }] of buckets.entries()) {
    const from = buckets[i - 1]?.upTo ?? 0;
    assert.ok(upTo > from);
    if (i >= 16) assert.ok(upTo <= from * 1.0625 + 1e-9, `${from} to ${upTo}`);
  }
});

test('percentiles are those of the buckets, and 0 without answers', () => {
  const none = latencyOf([]);
  assert.deepEqual(none, { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0, buckets: [] });
  const some = latencyOf([
    { upTo: 1, count: 90 },
    { upTo: 2, count: 9 },
    { upTo: 50, count: 1 },
  ]);
  assert.deepEqual([some.count, some.p50, some.p90, some.p99, some.p999, some.max], [100, 1, 1, 2, 50, 50]);
  assert.equal(some.mean, 1.58);
});

test('what came since an earlier look has its own percentiles', () => {
  const earlier = latencyOf([{ upTo: 50, count: 10 }]);
  const later = latencyOf([
    { upTo: 1, count: 5 },
    { upTo: 50, count: 10 },
  ]);
  assert.equal(latencySince(later, earlier).max, 1);
  assert.equal(latencySince(later, undefined).max, 50);
});
