import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConnectOptions, connect } from '../../lib/connect.ts';
import { resolveClientOptions } from '../../lib/engines/network/options.ts';
import { InvalidArgumentError } from '../../lib/errors.ts';

const NOBODY = 'memcached://127.0.0.1:1';

function refusalOf(argument: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof InvalidArgumentError &&
    error.context.argument === argument &&
    error.message.includes(argument);
}

test('without options the documented defaults hold', () => {
  assert.deepEqual(resolveClientOptions({}, true), {
    timeout: 2500,
    connectTimeout: 2000,
    backoff: { min: 50, max: 2000 },
    connectionsPerNode: 1,
    resolveInterval: 60_000,
    maxInFlight: 16384,
    maxQueued: 131072,
    maxQueuedBytes: 256 << 20,
    offlineQueue: true,
    maxValueSize: 32 * 1024 * 1024,
    silenceTimeout: 2500,
    implicitFlush: true,
    tls: undefined,
  });
});

test('silenceTimeout follows timeout, and the longest pause is never below the shortest', () => {
  assert.equal(resolveClientOptions({ timeout: 100 }, true).silenceTimeout, 100);
  assert.deepEqual(resolveClientOptions({ backoff: { min: 5000 } }, true).backoff, { min: 5000, max: 5000 });
  assert.deepEqual(resolveClientOptions({ backoff: { max: 60 } }, true).backoff, { min: 50, max: 60 });
});

test('a fraction of a millisecond counts as a whole one', () => {
  const { timeout, connectTimeout } = resolveClientOptions({ timeout: 0.1, connectTimeout: 10.5 }, true);
  assert.deepEqual([timeout, connectTimeout], [1, 11]);
});

describe('refused by connect(), naming the option:', () => {
  const notTimes = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '100', null, 1n];
  const cases: [argument: string, options: (value: unknown) => object, values: unknown[]][] = [
    ['timeout', (timeout) => ({ timeout }), notTimes],
    ['connectTimeout', (connectTimeout) => ({ connectTimeout }), notTimes],
    ['silenceTimeout', (silenceTimeout) => ({ silenceTimeout }), notTimes],
    ['backoff.min', (min) => ({ backoff: { min } }), notTimes],
    ['backoff.max', (max) => ({ backoff: { max } }), notTimes],
    [
      'resolveInterval',
      (resolveInterval) => ({ resolveInterval }),
      notTimes.filter((each) => each !== Number.POSITIVE_INFINITY),
    ],
    [
      'connectionsPerNode',
      (connectionsPerNode) => ({ connectionsPerNode }),
      [0, -1, 1.5, Number.NaN, 65, '1', null],
    ],
    ['managementBase', (managementBase) => ({ managementBase }), [null, {}, 'mine', 1]],
    ['maxInFlight', (maxInFlight) => ({ maxInFlight }), [0, -1, 1.5, Number.NaN, 2 ** 20, '1', null]],
    ['maxQueued', (maxQueued) => ({ maxQueued }), [-1, 1.5, Number.NaN, 2 ** 20, '1', null]],
    ['maxValueSize', (maxValueSize) => ({ maxValueSize }), [0, -1, 1.5, 2 ** 30 + 1, '1', null]],
    ['offlineQueue', (offlineQueue) => ({ offlineQueue }), [1, 'true', {}, null]],
    ['implicitFlush', (implicitFlush) => ({ implicitFlush }), [0, 'false', {}, null]],
    ['eventBase', (eventBase) => ({ eventBase }), [null, {}, 'host']],
    ['transcoder', (transcoder) => ({ transcoder }), [null, {}, { encode() {} }, { decode() {} }]],
  ];
  for (const [argument, options, values] of cases) {
    test(argument, async () => {
      for (const value of values) {
        const given: ConnectOptions = options(value);
        await assert.rejects(connect(NOBODY, given), refusalOf(argument));
      }
    });
  }

  test('a longest pause below the shortest', async () => {
    await assert.rejects(connect(NOBODY, { backoff: { min: 10, max: 9 } }), refusalOf('backoff'));
  });

  test('more operations than there are slots', async () => {
    await assert.rejects(connect(NOBODY, { maxInFlight: 1e6, maxQueued: 1e5 }), refusalOf('maxQueued'));
  });
});
