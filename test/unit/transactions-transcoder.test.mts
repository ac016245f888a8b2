import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DecodeError, InvalidArgumentError } from '../../lib/errors.ts';
import { commonFlagsTranscoder } from '../../lib/transactions/transcoder.ts';

const { encode, decode } = commonFlagsTranscoder;
const JSON_FLAGS = 0x02000000;
const BINARY_FLAGS = 0x03000000;
const STRING_FLAGS = 0x04000000;

function roundTrip(value: unknown): unknown {
  const { data, flags } = encode(value);
  return decode(Buffer.from(data as string), flags);
}

describe('what is written', () => {
  test('strings are UTF-8 under the string flags', () => {
    assert.deepEqual(encode('grüße'), { data: 'grüße', flags: STRING_FLAGS });
  });

  test('Buffers and Uint8Arrays are their bytes under the binary flags', () => {
    const bytes = new Uint8Array([0, 255]);
    assert.equal(encode(bytes).data, bytes);
    assert.equal(encode(bytes).flags, BINARY_FLAGS);
    assert.equal(encode(Buffer.alloc(0)).flags, BINARY_FLAGS);
  });

  test('everything else is JSON under the JSON flags', () => {
    assert.deepEqual(encode(null), { data: 'null', flags: JSON_FLAGS });
    assert.deepEqual(encode(true), { data: 'true', flags: JSON_FLAGS });
    assert.deepEqual(encode(-1.5), { data: '-1.5', flags: JSON_FLAGS });
    assert.deepEqual(encode({ a: [1] }), { data: '{"a":[1]}', flags: JSON_FLAGS });
    assert.deepEqual(encode({ toJSON: () => 'short' }), { data: '"short"', flags: JSON_FLAGS });
  });

  test('what JSON cannot say is refused, naming the value', () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const throws = {
      toJSON() {
        throw new Error('no');
      },
    };
    const bad = [undefined, Symbol('s'), () => 1, Number.NaN, Infinity, -Infinity, 1n, { a: 1n }, circular];
    for (const value of [...bad, throws]) {
      assert.throws(
        () => encode(value),
        (error) => error instanceof InvalidArgumentError && error.context.argument === 'value',
      );
    }
    assert.throws(
      () => encode(throws),
      (error) => error instanceof InvalidArgumentError && (error.cause as Error).message === 'no',
    );
  });

  test('a promise that nobody awaited is refused, instead of being stored as {}', () => {
    const refused = { name: 'InvalidArgumentError', message: 'value is a promise: await it first' };
    for (const promise of [Promise.resolve(1), (async () => 1)()])
      assert.throws(() => encode(promise), refused);
  });
});

describe('what is read', () => {
  test('flags nobody here knows leave the bytes as they are', () => {
    const bytes = Buffer.from('{"a":1}');
    for (const flags of [0, 1, 2, 0x01000000, BINARY_FLAGS, 0x05000000, 0x82000000, 0xffffffff]) {
      assert.equal(decode(bytes, flags), bytes);
    }
  });

  test('flags of other clients below the first byte change nothing', () => {
    const bytes = Buffer.from('{"a":1}');
    for (const flags of [STRING_FLAGS + 4, STRING_FLAGS + 0xffffff])
      assert.equal(decode(bytes, flags), '{"a":1}');
    for (const flags of [JSON_FLAGS + 1, JSON_FLAGS + 6]) assert.deepEqual(decode(bytes, flags), { a: 1 });
    for (const flags of [BINARY_FLAGS + 2, 0x42000000]) assert.equal(decode(bytes, flags), bytes);
  });

  test('what is stored does not reach a log with control characters by way of the cause', () => {
    assert.throws(
      () => commonFlagsTranscoder.decode(Buffer.from('\u001b]0;x\u0007\n'), JSON_FLAGS),
      (error) =>
        error instanceof DecodeError &&
        error.cause instanceof SyntaxError &&
        !/\p{Cc}/u.test(`${error.message}${error.cause.message}`),
    );
  });

  test('bytes that are not the JSON their flags promise are a DecodeError with the cause', () => {
    for (const bytes of ['', '{', 'undefined', '\u0000']) {
      assert.throws(
        () => decode(Buffer.from(bytes), JSON_FLAGS),
        (error) => error instanceof DecodeError && error.cause instanceof SyntaxError,
      );
    }
  });

  test('a string that is not UTF-8 is read with replacement characters', () => {
    assert.equal(decode(Buffer.from([0x61, 0xff]), STRING_FLAGS), 'a\ufffd');
  });
});

test('every JSON value, string and byte array comes back', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value))),
        fc.string({ unit: 'grapheme' }),
      ),
      (value) => assert.deepEqual(roundTrip(value), value),
    ),
  );
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(roundTrip(bytes), Buffer.from(bytes))));
});
