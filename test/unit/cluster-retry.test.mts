import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayRetry } from '../../lib/cluster/retry.ts';
import { isIdempotent } from '../../lib/engines/memcached/operations.ts';
import { Kind, type KindName } from '../../lib/transactions/operation.ts';

test('an operation that was not written may be sent again whatever it does', () => {
  assert.equal(mayRetry({ idempotent: true, written: false, late: false }), true);
  assert.equal(mayRetry({ idempotent: false, written: false, late: false }), true);
});

test('of those that were written only the idempotent may be sent again', () => {
  assert.equal(mayRetry({ idempotent: true, written: true, late: false }), true);
  assert.equal(mayRetry({ idempotent: false, written: true, late: false }), false);
});

test('nothing is sent again after its deadline', () => {
  assert.equal(mayRetry({ idempotent: true, written: false, late: true }), false);
});

test('only what changes nothing counts as idempotent', () => {
  const idempotent = (Object.keys(Kind) as KindName[]).filter((name) => isIdempotent(Kind[name]));
  assert.deepEqual(idempotent, ['get', 'getRecord', 'exists']);
});
