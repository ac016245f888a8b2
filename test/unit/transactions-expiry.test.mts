import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidArgumentError } from '../../lib/errors.ts';
import { encodeExpiry } from '../../lib/transactions/expiry.ts';

const MONTH = 30 * 24 * 60 * 60;
const LATEST = 0xfffffffe;
const NOW = Date.UTC(2026, 5, 1);
const now = (): number => NOW;

function refused(options: Parameters<typeof encodeExpiry>[0], argument: string): void {
  assert.throws(
    () => encodeExpiry(options, now),
    (error) => error instanceof InvalidArgumentError && error.context.argument === argument,
  );
}

describe('ttl', () => {
  test('without one, and with 0, a record never expires', () => {
    assert.equal(encodeExpiry({}), 0);
    assert.equal(encodeExpiry({ ttl: 0 }), 0);
  });

  test('up to 30 days it is sent as it is', () => {
    for (const ttl of [1, 60, MONTH - 1, MONTH]) assert.equal(encodeExpiry({ ttl }, now), ttl);
  });

  test('beyond 30 days it is sent as the moment of its end', () => {
    assert.equal(encodeExpiry({ ttl: MONTH + 1 }, now), NOW / 1000 + MONTH + 1);
    assert.equal(encodeExpiry({ ttl: 365 * 86400 }, now), NOW / 1000 + 365 * 86400);
  });

  test('a fraction never shortens the life of a record', () => {
    assert.equal(encodeExpiry({ ttl: 0.001 }, now), 1);
    assert.equal(encodeExpiry({ ttl: 59.2 }, now), 60);
    assert.equal(encodeExpiry({ ttl: MONTH + 0.5 }, now), NOW / 1000 + MONTH + 1);
    assert.equal(
      encodeExpiry({ ttl: MONTH + 1 }, () => NOW + 1),
      NOW / 1000 + 1 + MONTH + 1,
    );
  });

  test('what is no number of seconds is refused by name', () => {
    for (const ttl of [-1, -0.1, Number.NaN, '60', 60n, null, true, new Date(NOW)]) {
      refused({ ttl: ttl as number }, 'ttl');
    }
  });

  test('what ends after the last second of the wire is refused', () => {
    assert.equal(encodeExpiry({ ttl: LATEST - NOW / 1000 }, now), LATEST);
    refused({ ttl: LATEST - NOW / 1000 + 1 }, 'ttl');
    refused({ ttl: Number.POSITIVE_INFINITY }, 'ttl');
    refused({ ttl: Number.MAX_SAFE_INTEGER }, 'ttl');
  });
});

describe('expiresAt', () => {
  test('is sent as its second, rounded up', () => {
    assert.equal(encodeExpiry({ expiresAt: new Date(NOW + 5000) }), NOW / 1000 + 5);
    assert.equal(encodeExpiry({ expiresAt: new Date(NOW + 5001) }), NOW / 1000 + 6);
  });

  test('within the first 30 days of Unix time, or before it, is not mistaken for a duration', () => {
    for (const milliseconds of [-8.64e15, -1, 0, 1, 60_000, MONTH * 1000]) {
      assert.equal(encodeExpiry({ expiresAt: new Date(milliseconds) }), MONTH + 1);
    }
    assert.equal(encodeExpiry({ expiresAt: new Date((MONTH + 2) * 1000) }), MONTH + 2);
  });

  test('what is no moment, or one the wire cannot say, is refused by name', () => {
    for (const expiresAt of [new Date(Number.NaN), NOW, '2026-06-01', null, {}]) {
      refused({ expiresAt: expiresAt as Date }, 'expiresAt');
    }
    assert.equal(encodeExpiry({ expiresAt: new Date(LATEST * 1000) }), LATEST);
    refused({ expiresAt: new Date(LATEST * 1000 + 1) }, 'expiresAt');
    refused({ expiresAt: new Date(8.64e15) }, 'expiresAt');
  });

  test('excludes ttl', () => refused({ ttl: 1, expiresAt: new Date(NOW) }, 'ttl'));
});

test('no accepted ttl ends early, ends more than two seconds late, or means "do not create"', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.001, max: 2 ** 31, noNaN: true }),
      fc.integer({ min: Date.UTC(2020), max: Date.UTC(2035) }),
      (ttl, at) => {
        const expiry = encodeExpiry({ ttl }, () => at);
        const life = expiry <= MONTH ? expiry : expiry - at / 1000;
        assert.ok(Number.isInteger(expiry) && expiry > 0 && expiry < 0xffffffff);
        assert.ok(life >= ttl && life < ttl + 2);
      },
    ),
  );
});
