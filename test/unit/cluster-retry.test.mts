import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayRetry } from '../../lib/cluster/retry.ts';
import { isIdempotent } from '../../lib/engines/memcached/operations.ts';
import { Kind, type KindName } from '../../lib/transactions/operation.ts';

test('an operation that was not written may be sent again whatever it does', () => {
  assert.equal(mayRetry({ idempotent: true, written: false, remaining: 1 }), true);
  assert.equal(mayRetry({ idempotent: false, written: false, remaining: 1 }), true);
});

test('of those that were written only the idempotent may be sent again', () => {
  assert.equal(mayRetry({ idempotent: true, written: true, remaining: 1 }), true);
  assert.equal(mayRetry({ idempotent: false, written: true, remaining: 1 }), false);
});

test('nothing is sent again after its deadline', () => {
  for (const remaining of [0, -1]) {
    assert.equal(mayRetry({ idempotent: true, written: false, remaining }), false);
  }
});

test('only what changes nothing counts as idempotent', () => {
  const idempotent = (Object.keys(Kind) as KindName[]).filter((name) => isIdempotent(Kind[name]));
  assert.deepEqual(idempotent, ['get', 'getRecord', 'exists']);
});
