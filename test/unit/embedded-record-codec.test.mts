import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { expiryOf, RecordCodec, type Stored } from '../../lib/engines/embedded/record-codec.ts';
import { shapesOf } from '../../lib/engines/embedded/shapes.ts';
import { type ClassDefinition, defineClass, type Field, field, validate } from '../../lib/index.ts';

type AnyRecord = Record<string, unknown>;

const PLAIN = { version: { high: 0, low: 1 }, expiresAt: undefined, order: undefined };

const codecOf = ({ fields }: ClassDefinition): RecordCodec => new RecordCodec(shapesOf(fields));

function throughBytes(
  definition: ClassDefinition,
  record: unknown,
  system: Omit<Stored, 'record'> = PLAIN,
): Stored {
  const { bytes } = codecOf(definition).encode(validate(definition, record) as AnyRecord, system);
  // As it is read from the file: by a codec that has written nothing, with other memory behind.
  const memory = Buffer.concat([bytes, Buffer.alloc(64, 0xff)]);
  return codecOf(definition).decode(memory, bytes.length) as Stored;
}

function comesBack(type: Field, value: unknown): void {
  const definition = defineClass('Some', { key: 'id', fields: { id: field.uint8(), v: type } });
  const { record } = throughBytes(definition, { id: 1, v: value });
  assert.deepStrictEqual(record, validate(definition, { id: 1, v: value }));
}

const inner = field.struct({ name: field.string(), at: field.optional(field.datetime()) });
const outer = field.struct({ inner, list: field.vector(inner), bytes: field.optional(field.bytes()) });

describe('a stored record', () => {
  const values: [what: string, type: Field, values: unknown[]][] = [
    ['uint8', field.uint8(), [0, 1, 127, 128, 255]],
    ['uint16', field.uint16(), [0, 255, 256, 65_535]],
    ['uint32', field.uint32(), [0, 65_536, 2 ** 31, 2 ** 32 - 1]],
    ['int8', field.int8(), [-128, -33, -32, -1, 0, 127]],
    ['int16', field.int16(), [-32_768, -129, 32_767]],
    ['int32', field.int32(), [-(2 ** 31), -32_769, 2 ** 31 - 1]],
    [
      'uint64',
      field.uint64(),
      [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
    ],
    ['int64', field.int64(), [0n, -1n, -(2n ** 31n), -(2n ** 53n) - 1n, -(2n ** 63n), 2n ** 63n - 1n]],
    ['float32', field.float32(), [0, 0.5, -1, 1e38, -1e-40, Infinity, -Infinity, 16_777_216]],
    ['float64', field.float64(), [0, 0.1, -1e308, 5e-324, 2 ** 53, Infinity, -Infinity, 1]],
    ['boolean', field.boolean(), [true, false]],
    [
      'datetime',
      field.datetime(),
      [0, 1, -1, 999, -999, -62_135_596_800_001, 2 ** 32 * 1000, 8.64e15, -8.64e15, Date.now()].map(
        (time) => new Date(time),
      ),
    ],
    ['string', field.string(), ['', 'a', 'é', '漢字', '😀\0\x01', 'x'.repeat(300), 'ü'.repeat(70_000)]],
    ['bytes', field.bytes(), [0, 1, 255, 256, 70_000].map((size) => Buffer.alloc(size, size))],
    ['enumeration', field.enumeration('', 'a', 'b'), ['', 'a', 'b']],
    ['vector', field.vector(field.int64()), [[], [1n], Array.from({ length: 70_000 }, (_, i) => BigInt(i))]],
    ['vector of bytes', field.vector(field.bytes()), [[Buffer.from('a'), Buffer.alloc(0)]]],
    ['vector of vectors', field.vector(field.vector(field.boolean())), [[[], [true], [false, true]]]],
    ['struct', inner, [{ name: 'a' }, { name: 'b', at: new Date(5) }]],
    ['optional', field.optional(field.string()), [undefined, '']],
  ];
  for (const [what, type, each] of values) {
    test(`gives back every ${what} it was made of`, () => {
      for (const value of each) comesBack(type, value);
    });
  }

  test('gives back structs in structs and vectors of structs', () => {
    comesBack(outer, { inner: { name: 'x' }, list: [] });
    comesBack(field.vector(outer), [
      { inner: { name: 'x', at: new Date(-1) }, list: [{ name: 'y' }, { name: 'z', at: new Date(1) }] },
      { inner: { name: '' }, list: [{ name: 'y' }], bytes: Buffer.from([0, 1, 2]) },
    ]);
  });

  test('gives back any number, text, bytes and moment', () => {
    const definition = defineClass('Any', {
      key: 'id',
      fields: {
        id: field.int64(),
        number: field.float64(),
        text: field.string(),
        bytes: field.bytes(),
        at: field.datetime(),
        list: field.vector(field.struct({ a: field.optional(field.uint64()), b: field.int32() })),
      },
    });
    const records = fc.record({
      id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      number: fc.double({ noNaN: true }),
      text: fc.string({ unit: 'binary' }),
      bytes: fc.uint8Array({ maxLength: 100 }),
      at: fc.date({ noInvalidDate: true }),
      list: fc.array(
        fc.record({
          a: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
          b: fc.integer(),
        }),
      ),
    });
    fc.assert(
      fc.property(records, (record) => {
        assert.deepStrictEqual(throughBytes(definition, record).record, validate(definition, record));
      }),
      { numRuns: 500 },
    );
  });

  test('has its own memory: what was read stays as it is when the bytes are used again', () => {
    const definition = defineClass('Some', { key: 'id', fields: { id: field.string(), v: field.bytes() } });
    const codec = codecOf(definition);
    const { bytes } = codec.encode({ id: 'text', v: Buffer.from('bytes') }, PLAIN);
    const record = codec.decode(bytes, bytes.length)?.record;
    const again = codec.encode({ id: 'next', v: Buffer.from('octet') }, PLAIN).bytes;
    bytes.fill(0);
    assert.deepStrictEqual(record, { id: 'text', v: Buffer.from('bytes') });
    again.copy(bytes);
    assert.deepStrictEqual(codec.decode(bytes, again.length)?.record, {
      id: 'next',
      v: Buffer.from('octet'),
    });
  });

  test('is read with others in the same bytes, in any order', () => {
    const definition = defineClass('Some', {
      key: 'id',
      fields: { id: field.uint32(), a: field.string(), n: field.float64(), b: field.string() },
    });
    const codec = codecOf(definition);
    const alone = codec.encode({ id: 0, a: 'alone', n: 0.1, b: 'by itself' }, PLAIN).bytes;
    const text = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.string({ unit: 'binary' }),
      fc.constant('x'.repeat(700)),
    );
    const record = fc.record({ id: fc.nat(), a: text, n: fc.double({ noNaN: true }), b: text });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (given, picks) => {
          const records = given.map((each) => validate(definition, each));
          const payloads = records.map((each) => Buffer.from(codec.encode(each, PLAIN).payload));
          const all = Buffer.concat(payloads);
          const ends = payloads.map((_each, i) => Buffer.concat(payloads.slice(0, i + 1)).length);
          for (const pick of [...records.keys(), ...picks]) {
            const i = pick % records.length;
            const end = ends[i] as number;
            const read = codec.decodePayload(all, end - (payloads[i] as Buffer).length, end, all.length);
            assert.deepStrictEqual(read, records[i]);
            if (pick % 3 === 0) assert.equal(codec.decode(alone, alone.length)?.record.b, 'by itself');
          }
        },
      ),
    );
  });

  test('is read where no code may be made at run time', () => {
    const codec = path.join(import.meta.dirname, '../../dist/engines/embedded/record-codec.js');
    const program = `
      const { RecordCodec } = require(${JSON.stringify(codec)});
      const codec = new RecordCodec([['id', 's'], ['a']]);
      const record = { id: 1, s: { a: new Date(5) } };
      const { bytes } = codec.encode(record, ${JSON.stringify(PLAIN)});
      require('node:assert').deepStrictEqual(codec.decode(bytes, bytes.length).record, record);
      console.log('read');`;
    const args = ['--disallow-code-generation-from-strings', '-e', program];
    assert.equal(execFileSync(process.execPath, args, { encoding: 'utf8' }), 'read\n');
  });

  test('that is damaged is none', () => {
    const definition = defineClass('Some', { key: 'id', fields: { id: field.string(), v: field.float64() } });
    const codec = codecOf(definition);
    const { bytes } = codec.encode({ id: 'text', v: 0.1 }, PLAIN);
    for (let length = 13; length < bytes.length; length += 1) {
      assert.equal(codec.decode(bytes, length), undefined);
      assert.equal(codec.decode(Buffer.from(bytes.subarray(0, length)), length), undefined);
    }
    for (const token of [0xc1, 0xc7, 0xd4, 0xd5, 0xff]) {
      const damaged = Buffer.from(bytes);
      damaged[12] = token;
      assert.equal(codec.decode(damaged, damaged.length), undefined);
    }
  });

  test('may be of a class with more than 32 shapes, and with more than 100', () => {
    for (const count of [33, 64, 65, 150]) {
      const members = Object.fromEntries(
        Array.from({ length: count }, (_, i) => [`s${i}`, field.struct({ [`m${i}`]: field.uint8() })]),
      );
      const definition = defineClass('Wide', { key: 'id', fields: { id: field.uint8(), ...members } });
      assert.equal(shapesOf(definition.fields).length, count + 1);
      const record = Object.fromEntries(
        Array.from({ length: count }, (_, i) => [`s${i}`, { [`m${i}`]: i % 256 }]),
      );
      for (let round = 0; round < 2; round += 1)
        assert.deepStrictEqual(throughBytes(definition, { id: 1, ...record }).record, { id: 1, ...record });
    }
  });

  test('is still read by a codec that knows more shapes', () => {
    const before = defineClass('Some', { key: 'id', fields: { id: field.uint8(), s: inner } });
    const after = defineClass('Some', {
      key: 'id',
      fields: { id: field.uint8(), s: inner, more: field.optional(outer) },
    });
    const { bytes } = codecOf(before).encode({ id: 1, s: { name: 'x', at: undefined } }, PLAIN);
    const known = shapesOf(before.fields);
    const codec = new RecordCodec([...known, ...shapesOf(after.fields)]);
    assert.deepStrictEqual(codec.decode(bytes, bytes.length)?.record, {
      id: 1,
      s: { name: 'x', at: undefined },
    });
  });

  test('has its version, and its moment of expiry and place in the order where it has them', () => {
    const definition = defineClass('Some', { key: 'id', fields: { id: field.string() } });
    const version = { high: 0xffff_ffff, low: 0x8000_0001 };
    for (const expiresAt of [undefined, 1, 1.5, Date.now(), 8.64e15]) {
      for (const order of [undefined, 1, 2 ** 52]) {
        const system = { version, expiresAt, order };
        const { bytes, payload } = codecOf(definition).encode({ id: 'x' }, system);
        assert.deepStrictEqual(codecOf(definition).decode(bytes, bytes.length), {
          record: { id: 'x' },
          ...system,
        });
        assert.equal(expiryOf(bytes), expiresAt ?? Infinity);
        assert.deepStrictEqual(payload, codecOf(definition).encode({ id: 'x' }, PLAIN).payload);
        const start = bytes.length - payload.length;
        assert.deepStrictEqual(codecOf(definition).decodePayload(bytes, start, bytes.length), { id: 'x' });
      }
    }
  });

  test('names the shape of a class first and none twice', () => {
    const definition = defineClass('Some', {
      key: 'id',
      fields: { id: field.uint8(), a: inner, b: field.vector(inner), c: field.optional(outer) },
    });
    assert.deepEqual(shapesOf(definition.fields), [
      ['id', 'a', 'b', 'c'],
      ['name', 'at'],
      ['inner', 'list', 'bytes'],
    ]);
  });
});
