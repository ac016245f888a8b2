import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type ErrorMap, newerErrorMap, parseErrorMap } from '../../lib/cluster/couchbase/error-map.ts';
import {
  decide,
  type Failure,
  POLICY,
  type Reason,
  type RetrySpec,
} from '../../lib/cluster/couchbase/retry-policy.ts';
import { CouchbaseStatus, meaningOf } from '../../lib/cluster/couchbase/statuses.ts';
import { ConnectionError } from '../../lib/errors.ts';

const failure: Failure = {
  reason: 'temporary failure',
  idempotent: false,
  written: true,
  retries: 0,
  blamed: 0,
  remaining: 2500,
  spent: 0,
};

describe('the retry policy', () => {
  // Reason by reason: the first pauses, what is refreshed, and whether a mutation that was written is tried again.
  const table: [reason: Reason, pauses: number[], refresh: string | undefined, mutations: boolean][] = [
    ['not my partition', [100, 200, 400, 800, 1000, 1000], 'configuration', true],
    ['no active copy', [100, 200, 400, 800, 1000, 1000], 'configuration', true],
    ['no data here', [1, 10, 50, 100, 500, 1000, 1000], 'configuration', true],
    ['bucket not ready', [1, 10, 50, 100, 500, 1000, 1000], 'configuration', true],
    ['collection outdated', [1, 10, 50, 100, 500, 1000, 1000], 'collection', true],
    ['temporary failure', [1, 10, 50, 100, 500, 1000, 1000], undefined, true],
    ['rate limited', [1, 10, 50, 100, 500, 1000, 1000], undefined, true],
    ['locked', [1, 10, 50, 100, 500, 1000, 1000], undefined, true],
    ['sync write in progress', [1, 10, 50, 100, 500, 1000, 1000], undefined, true],
    ['sync write recommit in progress', [1, 10, 50, 100, 500, 1000, 1000], undefined, true],
    ['authentication stale', [1, 10, 50, 100, 500, 1000, 1000], undefined, true],
    ['error map', [1, 10, 50, 100, 500, 1000, 1000], undefined, true],
    ['circuit open', [1, 10, 50, 100, 500, 1000, 1000], undefined, true],
    ['not connected', [1, 10, 50, 100, 500, 1000, 1000], 'configuration', true],
    ['connection lost', [1, 10, 50, 100, 500, 1000, 1000], 'configuration', false],
  ];

  test('knows these reasons and no others', () => {
    assert.deepEqual(
      table.map(([reason]) => reason),
      Object.keys(POLICY),
    );
  });

  for (const [reason, pauses, refresh, mutations] of table)
    for (const idempotent of [true, false])
      for (const written of [true, false])
        test(`${reason}, ${idempotent ? '' : 'not '}idempotent, ${written ? '' : 'not '}written`, () => {
          const mayBeTried = mutations || idempotent || !written;
          for (const [retries, delay] of pauses.entries())
            assert.deepEqual(
              decide({ ...failure, reason, idempotent, written, retries }),
              mayBeTried
                ? { action: 'retry', delay, refresh }
                : { action: 'fail', isLate: false, isAmbiguous: true },
            );
        });

  test('shortens the last pauses so that the time is used to its end', () => {
    const pauses: [remaining: number, pause: number][] = [
      [1021, 1000],
      [1020, 1000],
      [839, 819],
      [40, 20],
      [10, 5],
      [2, 1],
    ];
    for (const [remaining, delay] of pauses)
      assert.deepEqual(decide({ ...failure, retries: 6, remaining }), {
        action: 'retry',
        delay,
        refresh: undefined,
      });
    for (const remaining of [1.9, 1, 0, -5])
      assert.deepEqual(decide({ ...failure, retries: 6, remaining }), {
        action: 'fail',
        isLate: true,
        isAmbiguous: false,
      });
  });

  test('gives up what breaks one connection after the other', () => {
    const lost: Failure = { ...failure, reason: 'connection lost', idempotent: true };
    assert.equal(decide({ ...lost, blamed: 2 }).action, 'retry');
    assert.deepEqual(decide({ ...lost, blamed: 3 }), { action: 'fail', isLate: false, isAmbiguous: false });
  });

  test('never waits longer than a second of its own accord, and never not at all', () => {
    const reasons = fc.constantFrom(...(Object.keys(POLICY) as Reason[]));
    fc.assert(
      fc.property(reasons, fc.boolean(), fc.boolean(), fc.nat(), (reason, idempotent, written, retries) => {
        const decision = decide({ ...failure, reason, idempotent, written, retries });
        if (decision.action === 'retry') assert.ok(decision.delay >= 1 && decision.delay <= 1000);
        else assert.ok(reason === 'connection lost' && written && !idempotent);
      }),
    );
  });

  const spec: RetrySpec = { strategy: 'constant', after: 5, interval: 20, ceiling: 0, longest: 0 };
  const pausesOf = (changes: Partial<RetrySpec>): unknown[] =>
    [0, 1, 2, 3].map((retries) => {
      const decision = decide({
        ...failure,
        reason: 'error map',
        retries,
        remaining: 1e9,
        spec: { ...spec, ...changes },
      });
      return decision.action === 'retry' ? decision.delay : decision;
    });

  test("waits as the server's error map says", () => {
    assert.deepEqual(pausesOf({}), [5, 20, 20, 20]);
    assert.deepEqual(pausesOf({ strategy: 'linear' }), [5, 20, 40, 60]);
    assert.deepEqual(pausesOf({ strategy: 'exponential' }), [5, 20, 400, 8000]);
    assert.deepEqual(pausesOf({ strategy: 'exponential', ceiling: 500 }), [5, 20, 400, 500]);
    assert.deepEqual(pausesOf({ after: 0, interval: 0 }), [1, 1, 1, 1]);
    assert.deepEqual(pausesOf({ strategy: 'exponential', interval: 0x7fffffff }), [5, 60000, 60000, 60000]);
  });

  test('gives up when the error map says so, and uses it for its own reason only', () => {
    const limited = { ...spec, longest: 100 };
    const late = decide({ ...failure, reason: 'error map', spent: 101, spec: limited });
    assert.deepEqual(late, { action: 'fail', isLate: false, isAmbiguous: false });
    assert.equal(decide({ ...failure, reason: 'error map', spent: 100, spec: limited }).action, 'retry');
    assert.deepEqual(decide({ ...failure, reason: 'locked', spec }), {
      action: 'retry',
      delay: 1,
      refresh: undefined,
    });
  });
});

describe('statuses', () => {
  const reasons: Record<number, Reason> = {
    7: 'not my partition',
    8: 'bucket not ready',
    9: 'locked',
    12: 'rate limited',
    13: 'no data here',
    31: 'authentication stale',
    37: 'bucket not ready',
    48: 'rate limited',
    49: 'rate limited',
    50: 'rate limited',
    51: 'rate limited',
    81: 'temporary failure',
    130: 'temporary failure',
    133: 'temporary failure',
    134: 'temporary failure',
    136: 'collection outdated',
    140: 'collection outdated',
    162: 'sync write in progress',
    164: 'sync write recommit in progress',
  };
  const ending = [0x08, 0x0a, 0x0b, 0x1f, 0x20, 0x25, 0x32, 0x84];
  const known = [
    [0x00, 0x0f],
    [0x1f, 0x29],
    [0x30, 0x33],
    [0x35, 0x38],
    [0x50, 0x51],
    [0x80, 0x88],
    [0x8a, 0x8a],
    [0x8c, 0x8d],
    [0xa0, 0xa8],
    [0xc0, 0xd8],
  ] as const;
  const isKnown = (status: number): boolean =>
    known.some(([first, last]) => status >= first && status <= last);

  test('that there are have the meaning that the protocol gives them, and others none', () => {
    for (let status = 0; status <= 0xffff; status += 1) {
      const meaning = meaningOf(status, undefined);
      assert.equal(meaning !== undefined, isKnown(status), `0x${status.toString(16)}`);
      assert.equal(meaning?.reason, reasons[status], `0x${status.toString(16)}`);
      assert.equal(meaning?.endsConnection ?? false, ending.includes(status), `0x${status.toString(16)}`);
      assert.equal(meaning?.isOfOldMap ?? false, status === 0x07 || status === 0x0d);
    }
  });

  test('have names that people can read', () => {
    assert.equal(meaningOf(CouchbaseStatus.syncWriteInProgress, undefined)?.name, 'sync write in progress');
  });

  test('an ambiguous durable write is never tried again', () => {
    assert.equal(meaningOf(CouchbaseStatus.syncWriteAmbiguous, undefined)?.reason, undefined);
  });
});

describe('an error map', () => {
  const text = (errors: unknown, rest: object = {}): string =>
    JSON.stringify({ version: 2, revision: 9, errors, ...rest });
  const retry = { strategy: 'Linear', interval: 10, after: 20, ceil: 100, 'max-duration': 500 };

  test('tells what is to be done about statuses that are not known', () => {
    const map = parseErrorMap(
      text({
        '7ff0': { name: 'DUMMY', desc: 'Dummy', attrs: ['temp', 'auto-retry', 'unheard-of'], retry },
        '7FF1': { name: 'GONE', attrs: ['conn-state-invalidated', 'fetch-config'] },
        '7ff2': { name: 'SPECIAL', attrs: ['special-handling', 'no-retry', 'retry-now'] },
        '7ff3': { name: 'PLAIN' },
      }),
    );
    const spec = { strategy: 'linear', interval: 10, after: 20, ceiling: 100, longest: 500 };
    const plain = { reason: undefined, endsConnection: false, isOfOldMap: false, spec: undefined };
    assert.deepEqual(meaningOf(0x7ff0, map), { ...plain, name: 'DUMMY', reason: 'error map', spec });
    assert.deepEqual(meaningOf(0x7ff1, map), {
      ...plain,
      name: 'GONE',
      endsConnection: true,
      isOfOldMap: true,
    });
    assert.deepEqual(meaningOf(0x7ff2, map), { ...plain, name: 'SPECIAL', endsConnection: true });
    assert.deepEqual(meaningOf(0x7ff3, map), { ...plain, name: 'PLAIN' });
    assert.equal(meaningOf(0x7ff4, map), undefined);
  });

  test('does not change what is known', () => {
    const map = parseErrorMap(
      text({ a3: { name: 'X', attrs: ['retry-now'] }, '9': { name: 'Y', attrs: [] } }),
    );
    assert.equal(meaningOf(0xa3, map)?.reason, undefined);
    assert.equal(meaningOf(0x09, map)?.reason, 'locked');
  });

  test('of the highest revision is the one that counts, whatever its version is', () => {
    const of = (version: number, revision: number): ErrorMap =>
      parseErrorMap(text({}, { version, revision }));
    const [older, newer] = [of(2, 9), of(1, 10)];
    assert.equal(newerErrorMap(older, undefined), older);
    assert.equal(newerErrorMap(newer, older), newer);
    assert.equal(newerErrorMap(older, newer), newer);
    assert.equal(newerErrorMap(of(2, 9), older), older);
  });

  test('with a strategy that nobody knows leaves the pauses to this client', () => {
    const map = parseErrorMap(
      text({ '7ff0': { name: 'X', attrs: ['retry-later'], retry: { strategy: 'fibonacci' } } }),
    );
    assert.equal(meaningOf(0x7ff0, map)?.spec, undefined);
    assert.equal(meaningOf(0x7ff0, map)?.reason, 'error map');
  });

  const entry = (changes: object): string => text({ '7ff0': { name: 'X', attrs: [], ...changes } });
  const bad: [why: string, document: string][] = [
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no errors', text(undefined)],
    ['errors in a list', text([{}])],
    ['no version', text({}, { version: undefined })],
    ['version 0', text({}, { version: 0 })],
    ['a revision with a fraction', text({}, { revision: 1.5 })],
    ['a revision of 1e300', text({}, { revision: 1e300 })],
    ['a status that is no number', text({ xyz: { name: 'X', attrs: [] } })],
    ['a status above 16 bits', text({ '10000': { name: 'X', attrs: [] } })],
    ['an entry that is null', text({ '1': null })],
    ['no name', text({ '1': { attrs: [] } })],
    ['attributes that are text', entry({ attrs: 'temp' })],
    ['an attribute that is a number', entry({ attrs: [1] })],
    ['many attributes', entry({ attrs: new Array(1000).fill('temp') })],
    ['a retry that is text', entry({ retry: 'now' })],
    ['a retry without an interval', entry({ retry: { strategy: 'linear' } })],
    ['a retry that is negative', entry({ retry: { ...retry, interval: -1 } })],
    ['a retry above 31 bits', entry({ retry: { ...retry, ceil: 2 ** 31 } })],
    [
      'more statuses than there can be',
      text(Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [at, {}]))),
    ],
  ];
  for (const [why, document] of bad)
    test(`with ${why} is refused`, () => {
      assert.throws(() => parseErrorMap(document), ConnectionError);
    });

  test('of whatever JSON is understood or refused', () => {
    fc.assert(
      fc.property(fc.json(), (document) => {
        assert.throws(() => parseErrorMap(document), ConnectionError);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (attrs, spec) => {
        try {
          parseErrorMap(entry({ attrs, retry: spec }));
        } catch (error) {
          assert.ok(error instanceof ConnectionError);
        }
      }),
    );
  });
});
