import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { InvalidArgumentError, ValidationError } from '../../lib/errors.ts';
import { type ClassDefinition, defineClass, type Field, field, validate } from '../../lib/index.ts';

/** A class of one field `v`, besides the key. */
function classOf(type: Field): ClassDefinition {
  return defineClass('Some', { key: 'id', fields: { id: field.autoid(), v: type } });
}

function accepts(type: Field, value: unknown, stored: unknown = value): void {
  const record = validate(classOf(type), { v: value });
  assert.deepEqual(record, { id: undefined, v: stored });
}

function refuses(definition: ClassDefinition, record: unknown, path: string, message: RegExp): void {
  assert.throws(
    () => validate(definition, record),
    (error) => {
      assert.ok(error instanceof ValidationError, String(error));
      assert.equal(error.context.path, path);
      assert.match(error.message, message);
      return true;
    },
  );
}

function refusesValues(type: Field, values: readonly unknown[], message: RegExp): void {
  for (const value of values) refuses(classOf(type), { v: value }, 'v', message);
}

const strangers = [null, 'text', true, {}, [], () => {}, Symbol('s')];

describe('integers', () => {
  const bits = [8, 16, 32] as const;
  for (const width of bits) {
    test(`of ${width} bits are numbers within their range`, () => {
      const [signed, unsigned] = [field[`int${width}`](), field[`uint${width}`]()];
      const most = 2 ** width;
      for (const value of [0, 1, most - 1]) accepts(unsigned, value);
      for (const value of [-most / 2, -1, 0, most / 2 - 1]) accepts(signed, value);
      refusesValues(
        unsigned,
        [-1, most, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1n],
        /an integer from 0 to/,
      );
      refusesValues(signed, [-most / 2 - 1, most / 2, -0.5, 1n, ...strangers], /an integer from -/);
      assert.ok(Object.is((validate(classOf(signed), { v: -0 }) as { v?: number }).v, 0));
    });
  }

  test('of 64 bits are bigints within their range', () => {
    for (const value of [0n, 2n ** 64n - 1n]) accepts(field.uint64(), value);
    for (const value of [-(2n ** 63n), 2n ** 63n - 1n]) accepts(field.int64(), value);
    refusesValues(field.uint64(), [-1n, 2n ** 64n, 1, ...strangers], /a bigint from 0n to/);
    refusesValues(field.int64(), [2n ** 63n, -(2n ** 63n) - 1n, 1], /a bigint from -/);
  });
});

describe('floats', () => {
  test('are numbers, infinite ones too, but never NaN', () => {
    for (const type of [field.float32(), field.float64()]) {
      for (const value of [0, -1.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) accepts(type, value);
      accepts(type, -0, 0);
      refusesValues(type, [Number.NaN, 1n, ...strangers], /a number \(float/);
    }
    accepts(field.float64(), Number.MAX_VALUE);
  });

  test('of 32 bits are rounded to what is stored, and refused when that is infinite', () => {
    accepts(field.float32(), 0.1, Math.fround(0.1));
    refusesValues(field.float32(), [1e39, -Number.MAX_VALUE], /too large for float32/);
  });
});

describe('other values', () => {
  test('strings are well-formed and counted in UTF-16 code units', () => {
    accepts(field.string(), 'ä€😀');
    accepts(field.string({ maxLength: 4 }), 'ää😀');
    refusesValues(field.string({ maxLength: 3 }), ['ää😀', 'abcd'], /at most 3 UTF-16 code units, not 4/);
    refusesValues(field.string(), ['\ud83d', 'a\ude00b'], /surrogate/);
    refusesValues(field.string(), [null, 1, new String('boxed')], /a string, not/);
  });

  test('bytes are copied into a Buffer', () => {
    const given = new Uint8Array([1, 2, 3]);
    const record = validate(classOf(field.bytes({ maxLength: 3 })), { v: given }) as { v: Uint8Array };
    given[0] = 9;
    assert.deepEqual(record.v, Buffer.from([1, 2, 3]));
    accepts(field.bytes(), Buffer.from('ab'));
    refusesValues(field.bytes({ maxLength: 2 }), [given], /at most 2 bytes, not 3/);
    refusesValues(field.bytes(), [[1], new ArrayBuffer(1), new Uint16Array(1), 'ab'], /a Uint8Array, not/);
  });

  test('booleans, enumerations', () => {
    for (const value of [true, false]) accepts(field.boolean(), value);
    refusesValues(field.boolean(), [0, 'true', null], /a boolean/);
    accepts(field.enumeration('a', 'b'), 'b');
    refusesValues(field.enumeration('a', 'b'), ['c', 0, null], /one of a, b, not/);
  });

  test('datetimes are valid Dates, of another realm as well, and are copied', () => {
    const given = new Date(1);
    const record = validate(classOf(field.datetime()), { v: given }) as { v: Date };
    given.setTime(2);
    assert.deepEqual(record.v, new Date(1));
    accepts(field.datetime(), runInContext('new Date(7)', createContext()), new Date(7));
    refusesValues(field.datetime(), [new Date(Number.NaN)], /invalid Date/);
    refusesValues(field.datetime(), [1, '2026-01-01', Object.create(Date.prototype)], /a Date, not/);
  });
});

describe('a record', () => {
  const Order = defineClass('Order', {
    key: 'id',
    fields: {
      id: field.uint32(),
      note: field.optional(field.string()),
      lines: field.vector(field.struct({ sku: field.string(), price: field.float64() })),
      grid: field.vector(field.vector(field.uint8(), { length: 2 })),
    },
  });
  const good = { id: 1, lines: [{ sku: 'a', price: 1 }], grid: [[1, 2]] };

  test('comes back as a copy with every field, in the order of the class', () => {
    const shuffled = { grid: good.grid, lines: [{ price: 1, sku: 'a' }], id: 1 };
    const record = validate(Order, shuffled);
    assert.deepEqual(record, { ...good, note: undefined });
    assert.deepEqual(Object.keys(record), ['id', 'note', 'lines', 'grid']);
    assert.deepEqual(Object.keys(record.lines[0] ?? {}), ['sku', 'price']);
    assert.notEqual(record.lines, shuffled.lines);
    assert.notEqual(record.grid[0], shuffled.grid[0]);
  });

  test('may have any prototype or none; what it inherits does not count', () => {
    class Custom {
      id = 1;
      lines = [];
      grid = [];
      get note(): string {
        return 'inherited';
      }
    }
    assert.equal(validate(Order, new Custom()).note, undefined);
    const bare = Object.assign(Object.create(null), good);
    assert.deepEqual(validate(Order, bare), { ...good, note: undefined });
    refuses(Order, Object.create(good), 'id', /is missing/);
    refuses(classOf(field.struct({ toString: field.string() })), { v: {} }, 'v.toString', /missing/);
  });

  test('is refused with the path of what is wrong', () => {
    const cases: [record: unknown, path: string, message: RegExp][] = [
      [undefined, '', /Order: the record is missing/],
      [7, '', /Order: the record is an object, not 7/],
      [[], '', /an array/],
      [new Map(), '', /an object, not an object/],
      [{ ...good, ident: 1 }, 'ident', /Order: ident is no field/],
      [{ ...good, id: undefined }, 'id', /id is missing/],
      [{ lines: [], grid: [] }, 'id', /id is missing/],
      [{ ...good, note: null }, 'note', /note is a string, not null/],
      [{ ...good, lines: { 0: 1 } }, 'lines', /an array, not an object/],
      [
        { ...good, lines: [good.lines[0], { sku: 'b', price: '1' }] },
        'lines[1].price',
        /lines\[1\]\.price is a/,
      ],
      [{ ...good, lines: [{ sku: 'b', price: 1, tax: 2 }] }, 'lines[0].tax', /lines\[0\]\.tax is no field/],
      [{ ...good, lines: [undefined] }, 'lines[0]', /missing/],
      [{ ...good, lines: new Array(3) }, 'lines[0]', /missing/],
      [{ ...good, grid: [[1, 2], [1]] }, 'grid[1]', /has 2 elements, not 1/],
      [{ ...good, grid: [[1, 256]] }, 'grid[0][1]', /0 to 255/],
      [Object.fromEntries([...Object.entries(good), ['__proto__', {}]]), '__proto__', /no field/],
    ];
    for (const [record, path, message] of cases) refuses(Order, record, path, message);
  });

  test('has at most 1 GiB', () => {
    const Large = defineClass('Large', {
      key: 'id',
      fields: { id: field.uint8(), list: field.vector(field.bytes()), text: field.string() },
    });
    const refused = (record: object, path: string): void =>
      assert.throws(
        () => validate(Large, record),
        (error) => error instanceof ValidationError && error.context.path === path,
      );
    refused({ id: 1, list: [new Uint8Array(8), new Uint8Array(2 ** 30)], text: '' }, 'list[1]');
    refused({ id: 1, list: [], text: 'x'.repeat(2 ** 30 / 3 + 1) }, 'text');
  });

  test('is read once: no getter runs twice', () => {
    const reads: PropertyKey[] = [];
    const watched = <T extends object>(target: T): T =>
      new Proxy(target, {
        get(object, name, receiver) {
          if (typeof name === 'string') reads.push(name);
          const value = Reflect.get(object, name, receiver);
          return typeof value === 'object' && value !== null ? watched(value) : value;
        },
      });
    validate(Order, watched(good));
    assert.deepEqual(reads, [
      'id',
      'lines',
      'length',
      '0',
      'sku',
      'price',
      'grid',
      'length',
      '0',
      'length',
      '0',
      '1',
    ]);
  });

  test('may leave its autoid to the database', () => {
    assert.equal(validate(classOf(field.boolean()), { v: true }).id, undefined);
    assert.equal(validate(classOf(field.boolean()), { id: 7n, v: true }).id, 7n);
    refuses(classOf(field.boolean()), { id: 7, v: true }, 'id', /bigint/);
  });

  test('is of a class, or the class is refused', () => {
    assert.throws(() => validate({ ...Order }, good), InvalidArgumentError);
  });

  test('with anything in it is accepted, or refused by ValidationError; what is accepted stays as it is', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withTypedArray: true,
      withSparseArray: true,
    });
    fc.assert(
      fc.property(
        fc.record({
          id: fc.oneof(fc.nat(), anything),
          note: anything,
          lines: fc.array(anything),
          grid: anything,
        }),
        (record) => {
          try {
            const once = validate(Order, record);
            assert.deepEqual(validate(Order, once), once);
          } catch (error) {
            if (!(error instanceof ValidationError)) throw error;
          }
        },
      ),
    );
  });
});
