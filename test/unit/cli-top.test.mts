import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ratesOf, type ServerSample } from '../../lib/cli/server-rates.ts';
import { topTable } from '../../lib/cli/top-table.ts';

const stats = {
  pid: '17',
  uptime: '1000',
  cmd_get: '1000',
  get_hits: '900',
  cmd_set: '500',
  evictions: '10',
  curr_items: '1234',
  bytes: '33554432',
  limit_maxbytes: '67108864',
  curr_connections: '12',
};

const sample = (at: number, more: Readonly<Record<string, string>> = {}): ServerSample => ({
  name: 'cache-1:11211',
  state: 'connected',
  at,
  version: '1.6.18',
  stats: { ...stats, ...more },
  fault: undefined,
  latency: 0.25,
});

const silent: ServerSample = {
  ...sample(0),
  stats: undefined,
  version: undefined,
  fault: 'EVENKEEL_TIMEOUT: no answer',
  latency: undefined,
};

describe('the rates of a server', () => {
  test('are differences of its counters over the time between two samples', () => {
    const later = { cmd_get: '3000', get_hits: '2400', cmd_set: '501', evictions: '10', uptime: '1002' };
    assert.deepEqual(ratesOf(sample(7000, later), sample(5000)), {
      name: 'cache-1:11211',
      state: 'connected',
      fault: undefined,
      version: '1.6.18',
      getsPerSecond: 1000,
      setsPerSecond: 0.5,
      evictionsPerSecond: 0,
      hitRatio: 0.75,
      items: 1234,
      bytes: 33554432,
      limitBytes: 67108864,
      connections: 12,
      latency: 0.25,
    });
  });

  test('are exact where counters are beyond the integers of a number', () => {
    const before = sample(0, { cmd_get: '18446744073709551000', get_hits: '18446744073709551000' });
    const now = sample(1000, { cmd_get: '18446744073709551003', get_hits: '18446744073709551001' });
    const { getsPerSecond, hitRatio } = ratesOf(now, before);
    assert.deepEqual([getsPerSecond, hitRatio], [3, 1 / 3]);
  });

  for (const [what, now, before] of [
    ['without an earlier sample', sample(1000), undefined],
    ['without an earlier answer', sample(1000), silent],
    ['without an answer', { ...silent, at: 1000 }, sample(0)],
    ['of a server that was started again', sample(1000, { pid: '18', cmd_get: '9999' }), sample(0)],
    ['of a server whose time began anew', sample(1000, { uptime: '1', cmd_get: '9999' }), sample(0)],
    ['of counters that were reset', sample(1000, { cmd_get: '1', cmd_set: '1', evictions: '1' }), sample(0)],
    [
      'of what is no counter',
      sample(1000, { cmd_get: '-1', cmd_set: '1e3', evictions: '\u001b[2J' }),
      sample(0),
    ],
    ['in no time', sample(0), sample(0)],
  ] as const)
    test(`are not known ${what}`, () => {
      const { getsPerSecond, setsPerSecond, evictionsPerSecond, hitRatio } = ratesOf(now, before);
      assert.deepEqual([getsPerSecond, setsPerSecond, evictionsPerSecond], Array(3).fill(undefined));
      assert.equal(hitRatio, undefined);
    });

  test('have no ratio of hits without gets', () => {
    const { getsPerSecond, hitRatio } = ratesOf(sample(1000), sample(0));
    assert.deepEqual([getsPerSecond, hitRatio], [0, undefined]);
  });
});

describe('the table of servers', () => {
  const well = ratesOf(sample(1000, { cmd_get: '124456', get_hits: '124000' }), sample(0));

  test('has a row for each server, and below it why one has not answered', () => {
    const down = ratesOf({ ...silent, name: 'cache-2:11211', state: 'disconnected' }, undefined);
    const mute = ratesOf({ ...silent, name: 'cache-3:11211' }, undefined);
    const fault = 'EVENKEEL_SERVER: not now';
    const refusing = ratesOf({ ...silent, name: 'cache-4:11211', version: '1.6.18', fault }, undefined);
    const text = topTable([well, down, mute, refusing], Number.POSITIVE_INFINITY);
    assert.deepEqual(text.split('\n'), [
      'server          state  gets/s  sets/s    hits  items   memory  conns  evict/s   probe  version',
      'cache-1:11211      up    123k       0  99.71%   1.2k  50%/64M     12        0  250 µs   1.6.18',
      'cache-2:11211    down       -       -       -      -        -      -        -       -        -',
      'cache-3:11211  silent       -       -       -      -        -      -        -       -        -',
      'cache-4:11211   error       -       -       -      -        -      -        -       -   1.6.18',
      'cache-2:11211: EVENKEEL_TIMEOUT: no answer',
      'cache-3:11211: EVENKEEL_TIMEOUT: no answer',
      `cache-4:11211: ${fault}`,
    ]);
  });

  test('keeps to 80 columns, whatever there is to tell', () => {
    const long = {
      ...well,
      name: 'cache-1.abcdef.cfg.use1.cache.amazonaws.com:11211',
      latency: 123.456,
      connections: 65535,
    };
    const [head, row] = topTable([{ ...long, hitRatio: 1, bytes: 67108864 }], 80).split('\n');
    assert.ok(head && row && row.length <= 80, row);
    assert.match(row, /^cache-1\.abcdef.*….*:11211 /);
    for (const column of ['state', 'gets/s', 'sets/s', 'hits', 'memory', 'probe'])
      assert.ok(head.includes(column), head);
  });

  test('shows nothing of what a server says that is not a figure, but for the beginning of its version', () => {
    const hostile = sample(0, { curr_items: '\u001b[2J', bytes: 'NaN' });
    const version = `\u001b]0;${'x'.repeat(99)}`;
    const text = topTable([ratesOf({ ...hostile, version }, undefined)], 200);
    assert.doesNotMatch(text, /(?!\n)\p{Cc}|NaN|2J/u);
    assert.match(text, / \\u001b\]0;x+…$/);
  });
});
