import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { KeyCodec } from '../../lib/engines/embedded/key-codec.ts';
import { ValidationError } from '../../lib/errors.ts';
import { type Field, field } from '../../lib/index.ts';

/** Values of a kind of field, and their order. */
interface Kind {
  readonly type: Field;
  readonly values: fc.Arbitrary<unknown>;
  compare(a: unknown, b: unknown): number;
}

/** For values that < and > put in the order of their kind. */
function kindOf<T>(type: Field, values: fc.Arbitrary<T>, rank: (value: T) => unknown = (each) => each): Kind {
  return {
    type,
    values,
    compare: (a, b) => {
      const [left, right] = [rank(a as T), rank(b as T)] as [number, number];
      return left < right ? -1 : left > right ? 1 : 0;
    },
  };
}

const integers = (low: number, high: number): fc.Arbitrary<number> => fc.integer({ min: low, max: high });
const words = ['', 'b', 'a', '\0'] as const;
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  // Where an escape, the end or the order of UTF-16 would show.
  fc.string({
    unit: fc.constantFrom('\0', '\x01', '\x02', 'a', '\uffff', '😀', '\u{10ffff}', 'é'),
    maxLength: 5,
  }),
);

const kinds: Record<string, Kind> = {
  uint8: kindOf(field.uint8(), integers(0, 0xff)),
  uint16: kindOf(field.uint16(), integers(0, 0xffff)),
  uint32: kindOf(field.uint32(), integers(0, 0xffff_ffff)),
  int8: kindOf(field.int8(), integers(-0x80, 0x7f)),
  int16: kindOf(field.int16(), integers(-0x8000, 0x7fff)),
  int32: kindOf(field.int32(), integers(-0x8000_0000, 0x7fff_ffff)),
  uint64: kindOf(field.uint64(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  int64: kindOf(field.int64(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  autoid: kindOf(field.autoid(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  float32: kindOf(
    field.float32(),
    fc.float({ noNaN: true }).map((each) => each + 0),
  ),
  float64: kindOf(
    field.float64(),
    fc.double({ noNaN: true }).map((each) => each + 0),
  ),
  boolean: kindOf(field.boolean(), fc.boolean()),
  datetime: kindOf(
    field.datetime(),
    fc.integer({ min: -8.64e15, max: 8.64e15 }).map((time) => new Date(time)),
    (date) => date.getTime(),
  ),
  enumeration: kindOf(field.enumeration(...words), fc.constantFrom(...words), (word) => words.indexOf(word)),
  string: {
    type: field.string(),
    values: text,
    compare: (a, b) => compareCodePoints(a as string, b as string),
  },
};

function compareCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(left.length - right.length);
}

/** Absent values come first. */
function optional({ type, values, compare }: Kind): Kind {
  return {
    type: field.optional(type as Parameters<typeof field.optional>[0]),
    values: fc.option(values, { nil: undefined }),
    compare(a, b) {
      if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
      return compare(a, b);
    },
  };
}

interface Part extends Kind {
  readonly descending: boolean;
}

function codecOf(parts: readonly Part[]): KeyCodec {
  return new KeyCodec(
    'Some',
    parts.map(({ type, descending }, i) => ({ name: `f${i}`, type, descending })),
  );
}

function compareParts(parts: readonly Part[], a: readonly unknown[], b: readonly unknown[]): number {
  for (const [i, { compare, descending }] of parts.entries()) {
    const order = compare(a[i], b[i]);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}

/** Fields of a key, and two keys of them that often begin alike. */
const keys: fc.Arbitrary<{ parts: Part[]; a: unknown[]; b: unknown[] }> = fc
  .array(
    fc.record({
      kind: fc.constantFrom(...Object.keys(kinds)),
      isOptional: fc.boolean(),
      descending: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .chain((shape) => {
    const parts = shape.map(({ kind, isOptional, descending }): Part => {
      const base = kinds[kind] as Kind;
      return { ...(isOptional && kind !== 'autoid' ? optional(base) : base), descending };
    });
    const values = fc.tuple(...parts.map((part) => part.values));
    return fc
      .tuple(values, values, fc.nat(parts.length))
      .map(([a, b, same]) => ({ parts, a, b: [...a.slice(0, same), ...b.slice(same)] }));
  });

describe('bytes of keys', () => {
  for (const [name, kind] of Object.entries(kinds)) {
    for (const each of name === 'autoid' ? [kind] : [kind, optional(kind)]) {
      for (const descending of [false, true]) {
        const what = `${each === kind ? '' : 'optional '}${name}${descending ? ', descending' : ''}`;
        test(`are in the order of their values: ${what}`, () => {
          const parts = [{ ...each, descending }];
          const codec = codecOf(parts);
          fc.assert(
            fc.property(each.values, each.values, (a, b) => {
              const order = Buffer.compare(codec.encode([a]), codec.encode([b]));
              assert.equal(order, compareParts(parts, [a], [b]));
            }),
            { numRuns: 300 },
          );
        });
      }
    }
  }

  test('are in the order of their fields, the first one first, whatever the direction of each', () => {
    fc.assert(
      fc.property(keys, ({ parts, a, b }) => {
        const codec = codecOf(parts);
        assert.equal(Buffer.compare(codec.encode(a), codec.encode(b)), compareParts(parts, a, b));
      }),
      { numRuns: 2000 },
    );
  });

  test('of the first fields are the beginning of exactly those keys that have their values', () => {
    fc.assert(
      fc.property(keys, fc.nat(3), ({ parts, a, b }, size) => {
        const codec = codecOf(parts);
        const count = 1 + (size % parts.length);
        const prefix = codec.encode(a.slice(0, count));
        assert.deepEqual(codec.encode(a).subarray(0, prefix.length), prefix);
        const hasSame = compareParts(parts.slice(0, count), a, b) === 0;
        assert.equal(codec.encode(b).subarray(0, prefix.length).equals(prefix), hasSame);
      }),
      { numRuns: 2000 },
    );
  });

  test('are the same from a record as from its values', () => {
    fc.assert(
      fc.property(keys, ({ parts, a }) => {
        const codec = codecOf(parts);
        const record = Object.fromEntries(a.map((value, i) => [`f${i}`, value]));
        assert.deepEqual(codec.encodeFrom(record), codec.encode(a));
        assert.equal(codec.size, parts.length);
      }),
    );
  });

  test('belong to whoever asked: the next key does not change them', () => {
    const codec = codecOf([{ ...(kinds.string as Kind), descending: false }]);
    const first = codec.encode(['first']);
    codec.encode(['other']);
    assert.deepEqual(first, Buffer.from('first\0'));
  });

  test('escape what would end a text', () => {
    const codec = codecOf([{ ...(kinds.string as Kind), descending: false }]);
    assert.deepEqual(codec.encode(['a\0b\x01\x02']), Buffer.from('a\x01\x01b\x01\x02\x02\0'));
    assert.deepEqual(codec.encode(['']), Buffer.from([0]));
  });
});

describe('a key that is too long', () => {
  const one = codecOf([{ ...(kinds.string as Kind), descending: false }]);
  const two = codecOf([
    { ...(kinds.string as Kind), descending: true },
    { ...(kinds.string as Kind), descending: false },
  ]);
  const refused = (path: string) => (error: unknown) => {
    assert.ok(error instanceof ValidationError);
    assert.equal(error.context.path, path);
    assert.match(error.message, /^Some: f\d makes a key of more than 1978 bytes$/);
    return true;
  };

  test('is a ValidationError that names the field, however its characters are stored', () => {
    for (const letter of ['a', 'é', '漢', '😀', '\0', '\x01']) {
      const bytes = letter < '\x02' ? 2 : Buffer.byteLength(letter);
      const longest = Math.floor(1977 / bytes);
      assert.ok(one.encode([letter.repeat(longest)]).length <= 1978);
      for (const count of [longest + 1, 2 * longest, 10_000, 1_000_000])
        assert.throws(() => one.encode([letter.repeat(count)]), refused('f0'));
    }
  });

  test('counts all of its fields, and the one that is too much is at fault', () => {
    assert.equal(two.encode(['a'.repeat(1000), 'b'.repeat(976)]).length, 1978);
    assert.throws(() => two.encode(['a'.repeat(1000), 'b'.repeat(977)]), refused('f1'));
    assert.throws(() => two.encode(['a'.repeat(1978), 'b']), refused('f0'));
    assert.throws(() => two.encodeFrom({ f0: '\0'.repeat(900), f1: '漢'.repeat(900) }), refused('f1'));
  });
});
