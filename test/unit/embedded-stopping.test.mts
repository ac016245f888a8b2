import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadAddon } from '../../lib/native/load.ts';

test('a method that is called by way of the addon has its object and its arguments', () => {
  const calls: unknown[] = [];
  const object = {};
  const method = function (this: unknown, ...args: unknown[]): number {
    calls.push(this, ...args);
    return 7;
  };
  assert.equal(loadAddon().attempt(object, method, 1, 'two'), true);
  assert.deepEqual(calls, [object, 1, 'two']);
  assert.equal(calls[0], object);
});

test('what it throws is thrown', () => {
  const error = new Error('thrown');
  const method = (): never => {
    throw error;
  };
  assert.throws(() => loadAddon().attempt({}, method), error);
});
