import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkOptions, optionNames } from '../../lib/arguments.ts';
import { InvalidArgumentError } from '../../lib/errors.ts';
import { nearest } from '../../lib/nearest.ts';

const names = optionNames<{ readonly ttl?: number; readonly timeout?: number; readonly retries?: number }>({
  ttl: true,
  timeout: true,
  retries: true,
});

describe('options', () => {
  test('of known names are taken, with undefined values as well', () => {
    const given = { ttl: 5, timeout: undefined };
    assert.equal(checkOptions(given, names), given);
    assert.deepEqual(checkOptions(Object.create(null), names), Object.create(null));
    assert.doesNotThrow(() => checkOptions(Object.create({ inherited: 1 }, {}), names));
  });

  test('of other names are refused, with the one that may have been meant', () => {
    const meant = {
      tll: 'ttl',
      TTL: 'ttl',
      timout: 'timeout',
      tiemout: 'timeout',
      time_out: 'timeout',
      retry: 'retries',
    };
    for (const [written, name] of Object.entries(meant)) {
      assert.throws(
        () => checkOptions({ [written]: undefined }, names, 'ttl'),
        (error) =>
          error instanceof InvalidArgumentError &&
          error.context.argument === 'ttl' &&
          error.message ===
            `ttl has no property "${written}", did you mean ${name}? (it may have ttl, timeout, retries)`,
        written,
      );
    }
    assert.throws(
      () => checkOptions({ durability: 1 }, names),
      /^\w+: options has no property "durability" \(it may/,
    );
    assert.throws(() => checkOptions({ x: 1 }, new Set()), /\(it has none\)/);
  });

  test('are an object', () => {
    for (const given of [null, undefined, 5, 'ttl', [], () => {}])
      assert.throws(() => checkOptions(given, names), { code: 'EVENKEEL_INVALID_ARGUMENT' });
  });

  test('of a name without end are refused in a short message', () => {
    assert.throws(
      () => checkOptions({ ['\u001b'.repeat(1e6)]: 1 }, names),
      (error) =>
        error instanceof InvalidArgumentError &&
        error.message.length < 500 &&
        !error.message.includes('\u001b'),
    );
  });
});

test('the nearest name is the one with the fewest typing errors, if at least half is right', () => {
  assert.equal(nearest('clas', ['class', 'classes']), 'class');
  assert.equal(nearest('ofset', ['limit', 'offset']), 'offset');
  assert.equal(nearest('xyz', ['ttl', 'cas']), undefined);
  assert.equal(nearest('', ['ttl']), undefined);
  assert.equal(nearest('ttl', []), undefined);
});
