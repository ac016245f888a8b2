import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidArgumentError } from '../../lib/errors.ts';
import {
  type ClassDescription,
  classFromDescription,
  defineClass,
  desc,
  describeClass,
  field,
  hashIndex,
  onFieldUpdate,
  onNew,
  uniqueIndex,
} from '../../lib/index.ts';
import { anyClass } from './schema-arbitraries.mts';

const Order = defineClass('Order', {
  key: ['id', 'state'],
  fields: {
    id: field.autoid(),
    state: field.enumeration('new', 'paid'),
    note: field.optional(field.string({ maxLength: 8 })),
    lines: field.vector(field.struct({ sku: field.bytes(), price: field.float32() }), { length: 2 }),
  },
  indexes: { byState: uniqueIndex('state', desc('id')), byNote: hashIndex('note') },
  events: [onFieldUpdate('state', 'paid'), onNew()],
  ttl: { age: 1.5, renewOnUpdate: false },
});

describe('the description of a class', () => {
  test('is JSON that says everything in one order', () => {
    assert.deepEqual(describeClass(Order), {
      name: 'Order',
      key: ['id', 'state'],
      fields: [
        { name: 'id', type: { kind: 'autoid' } },
        { name: 'state', type: { kind: 'enumeration', values: ['new', 'paid'] } },
        { name: 'note', type: { kind: 'optional', of: { kind: 'string', maxLength: 8 } } },
        {
          name: 'lines',
          type: {
            kind: 'vector',
            of: {
              kind: 'struct',
              fields: [
                { name: 'sku', type: { kind: 'bytes' } },
                { name: 'price', type: { kind: 'float32' } },
              ],
            },
            length: 2,
          },
        },
      ],
      indexes: [
        { name: 'byNote', type: 'hash', unique: false, fields: [{ field: 'note', order: 'asc' }] },
        {
          name: 'byState',
          type: 'tree',
          unique: true,
          fields: [
            { field: 'state', order: 'asc' },
            { field: 'id', order: 'desc' },
          ],
        },
      ],
      events: [
        { name: 'Order.new', kind: 'new' },
        { name: 'paid', kind: 'fieldUpdate', field: 'state' },
      ],
      ttl: { age: 1.5 },
    });
  });

  test('is the same, to the letter, for classes that mean the same', () => {
    const { state, ...rest } = Order.fields;
    const same = defineClass('Order', {
      key: Order.key,
      fields: Order.fields,
      indexes: { byNote: hashIndex('note'), byState: uniqueIndex('state', desc('id')) },
      events: [onNew('Order.new'), onFieldUpdate('state', 'paid')],
      ttl: { age: 1.5 },
    });
    const other = defineClass('Order', { key: Order.key, fields: { ...rest, state } });
    const text = (definition: typeof other | typeof same): string =>
      JSON.stringify(describeClass(definition));
    assert.equal(text(same), JSON.stringify(describeClass(Order)));
    assert.notEqual(text(other), text(same));
  });

  test('and its inverse undo each other, through JSON text', () => {
    fc.assert(
      fc.property(anyClass, (definition) => {
        const description = describeClass(definition);
        const restored = classFromDescription(JSON.parse(JSON.stringify(description)));
        assert.deepEqual(describeClass(restored), description);
        assert.deepEqual(
          { ...restored, events: new Set(restored.events) },
          { ...definition, events: new Set(definition.events) },
        );
        assert.deepEqual(Object.keys(restored.fields), Object.keys(definition.fields));
      }),
    );
  });
});

describe('what is no description', () => {
  const refused = (description: unknown, argument: string): void => {
    assert.throws(
      () => classFromDescription(description as ClassDescription),
      (error) => error instanceof InvalidArgumentError && error.context.argument === argument,
    );
  };
  const good = describeClass(Order);

  test('is refused with the place', () => {
    for (const wrong of [undefined, null, 1, [], { ...good, version: 2 }]) refused(wrong, 'description');
    for (const part of ['fields', 'indexes', 'events'] as const)
      refused({ ...good, [part]: {} }, `description.${part}`);
    refused({ ...good, name: undefined }, 'name');
    refused({ ...good, key: 7 }, 'key');
    refused({ ...good, ttl: 7 }, 'ttl');
    refused({ ...good, fields: [...good.fields, good.fields[1]] }, 'description.fields');
    refused({ ...good, indexes: [good.indexes[0], good.indexes[0]] }, 'description.indexes');
    const withType = (type: unknown) => ({ ...good, fields: [{ name: 'id', type }] });
    refused(withType({ kind: 'uint128' }), 'description.fields[0].type');
    refused(withType({ kind: 'uint8', maxLength: 1 }), 'description.fields[0].type');
    refused(withType({ kind: 'enumeration' }), 'description.fields[0].type.values');
    refused(withType({ kind: 'vector', of: { kind: 'optional' } }), 'description.fields[0].type.of.of');
    refused({ ...good, events: [{ name: 'a', kind: 'new', field: 'state' }] }, 'description.events[0]');
    refused({ ...good, events: [{ name: 'a', kind: 'birth' }] }, 'description.events[0]');
    refused({ ...good, events: [{ kind: 'new' }] }, 'description.events[0]');
    refused({ ...good, indexes: [{ ...good.indexes[0], type: 'trie' }] }, 'description.indexes[0]');
    refused({ ...good, indexes: [{ ...good.indexes[0], unique: 1 }] }, 'description.indexes[0]');
    refused({ ...good, indexes: [{ ...good.indexes[0], fields: [7] }] }, 'description.indexes[0].fields[0]');
  });

  describe('that has no bounds:', () => {
    const id = { name: 'id', type: { kind: 'uint8' } };
    const described = (type: unknown): ClassDescription =>
      ({ name: 'A', key: 'id', fields: [id, { name: 'a', type }], indexes: [], events: [] }) as never;
    const refused = (type: unknown, message: RegExp): void =>
      assert.throws(() => classFromDescription(described(type)), {
        code: 'EVENKEEL_INVALID_ARGUMENT',
        message,
      });
    const within = (depth: number, wrap: (of: unknown) => unknown): unknown => {
      let type: unknown = { kind: 'uint8' };
      for (let i = 0; i < depth; i += 1) type = wrap(type);
      return type;
    };

    test('one that is a part of itself', () => {
      const fields: unknown[] = [id];
      fields.push(
        { name: 'b', type: { kind: 'struct', fields } },
        { name: 'c', type: { kind: 'struct', fields } },
      );
      refused({ kind: 'struct', fields }, /a part of itself/);
      const vector: Record<string, unknown> = { kind: 'vector' };
      vector.of = vector;
      refused(vector, /a part of itself/);
      const optional: Record<string, unknown> = { kind: 'optional' };
      optional.of = optional;
      refused(optional, /a part of itself/);
    });

    test('one that is deeper than the stack', () => {
      const vector = (of: unknown): unknown => ({ kind: 'vector', of });
      refused(within(100_000, vector), /too deep/);
      refused(
        within(100_000, (type) => ({ kind: 'struct', fields: [{ name: 'a', type }] })),
        /too deep/,
      );
      refused(within(64, vector), /more than 64 deep/);
      assert.ok(classFromDescription(described(within(62, vector))));
    });

    test('one that doubles with every level', () => {
      const twice = (type: unknown): unknown => ({
        kind: 'struct',
        fields: [
          { name: 'a', type },
          { name: 'b', type },
        ],
      });
      refused(within(40, twice), /more than 10000 fields/);
    });

    test('one with enumerations without end', () => {
      const values = Array.from({ length: 60_000 }, (_, i) => `v${i}`);
      const fields = Array.from({ length: 20 }, (_, i) => ({
        name: `e${i}`,
        type: { kind: 'enumeration', values },
      }));
      refused({ kind: 'struct', fields }, /more than 1048576 values/);
      assert.ok(classFromDescription(described({ kind: 'enumeration', values })));
    });
  });

  test('never fails otherwise, whatever the JSON and whichever part of a good one it replaces', () => {
    const places = [...paths(good)];
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue(), (place, value) => {
        try {
          classFromDescription(replaced(good, place, value) as ClassDescription);
        } catch (error) {
          if (!(error instanceof InvalidArgumentError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

type Place = readonly string[];

function* paths(value: unknown, above: Place = []): Generator<Place> {
  yield above;
  if (typeof value !== 'object' || value === null) return;
  for (const [name, part] of Object.entries(value)) yield* paths(part, [...above, name]);
}

function replaced(whole: unknown, [first, ...rest]: Place, value: unknown): unknown {
  if (first === undefined) return value;
  if (typeof whole !== 'object' || whole === null) return whole;
  const part = replaced(whole[first as keyof typeof whole], rest, value);
  return Array.isArray(whole) ? whole.with(Number(first), part) : { ...whole, [first]: part };
}
