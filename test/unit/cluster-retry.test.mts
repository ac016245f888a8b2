import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayRetry } from '../../lib/cluster/retry.ts';
import { isIdempotent } from '../../lib/engines/memcached/operations.ts';
import { Kind, type KindName } from '../../lib/transactions/operation.ts';

test('an operation that was not written may be sent again whatever it does', () => {
  assert.equal(mayRetry({ idempotent: true, written: false, late: false, blamed: 0 }), true);
  assert.equal(mayRetry({ idempotent: false, written: false, late: false, blamed: 0 }), true);
});

test('of those that were written only the idempotent may be sent again', () => {
  assert.equal(mayRetry({ idempotent: true, written: true, late: false, blamed: 0 }), true);
  assert.equal(mayRetry({ idempotent: false, written: true, late: false, blamed: 0 }), false);
});

test('nothing is sent again after its deadline', () => {
  assert.equal(mayRetry({ idempotent: true, written: false, late: true, blamed: 0 }), false);
});

test('what breaks connection after connection by its own answer is not sent for ever', () => {
  const outcomes = [1, 2, 3, 4].map((blamed) =>
    mayRetry({ idempotent: true, written: true, late: false, blamed }),
  );
  assert.deepEqual(outcomes, [true, true, false, false]);
});

test('only what changes no value counts as idempotent', () => {
  const idempotent = (Object.keys(Kind) as KindName[]).filter((name) => isIdempotent(Kind[name]));
  assert.deepEqual(idempotent, [
    'get',
    'getRecord',
    'exists',
    'getDetails',
    'getOrLoad',
    'serverStats',
    'serverVersions',
  ]);
});
