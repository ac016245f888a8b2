import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidArgumentError } from '../../lib/errors.ts';
import {
  defineClass,
  desc,
  field,
  hashIndex,
  index,
  onCheckpoint,
  onDelete,
  onDeleteAll,
  onExpire,
  onFieldUpdate,
  onNew,
  onUpdate,
  type StructField,
  uniqueHashIndex,
  uniqueIndex,
  type VectorField,
} from '../../lib/index.ts';

function refused(call: () => unknown, argument: string, message: RegExp): void {
  assert.throws(call, (error) => {
    assert.ok(error instanceof InvalidArgumentError, String(error));
    assert.equal(error.context.argument, argument);
    assert.match(error.message, message);
    return true;
  });
}

const fields = {
  id: field.uint32(),
  name: field.string(),
  mail: field.optional(field.string({ maxLength: 80 })),
  tags: field.vector(field.string()),
  photo: field.bytes(),
  home: field.struct({ street: field.string() }),
};

// As a JavaScript program would call it.
const define = defineClass as unknown as (name: unknown, definition: unknown) => unknown;
const withFields = (rest: object) => () => define('Person', { key: 'id', fields, ...rest });

describe('a class', () => {
  const Person = defineClass('Person', {
    key: 'id',
    fields,
    indexes: {
      byName: index('name', desc('id')),
      byMail: uniqueIndex('mail'),
      byHash: hashIndex('name'),
      byBoth: uniqueHashIndex('id', 'name'),
    },
    events: [
      onNew('personNew'),
      onUpdate(),
      onFieldUpdate('name'),
      onFieldUpdate('home', 'moved'),
      onDelete(),
      onDeleteAll(),
      onCheckpoint(),
      onExpire(),
    ],
    ttl: { age: 0.5, count: 10, renewOnUpdate: true },
  });

  test('says what was declared', () => {
    assert.equal(Person.name, 'Person');
    assert.equal(Person.key, 'id');
    assert.deepEqual(Object.keys(Person.fields), Object.keys(fields));
    assert.deepEqual(Person.indexes.byName, {
      type: 'tree',
      unique: false,
      fields: [
        { field: 'name', order: 'asc' },
        { field: 'id', order: 'desc' },
      ],
    });
    assert.deepEqual(
      Object.values(Person.indexes).map(({ type, unique }) => [type, unique]),
      [
        ['tree', false],
        ['tree', true],
        ['hash', false],
        ['hash', true],
      ],
    );
    assert.deepEqual(Person.ttl, { age: 0.5, count: 10, renewOnUpdate: true });
  });

  test('gives events without a name one from class and kind, or from class and field', () => {
    assert.deepEqual(
      Person.events.map(({ kind, name }) => [kind, name]),
      [
        ['new', 'personNew'],
        ['update', 'Person.update'],
        ['fieldUpdate', 'Person.name'],
        ['fieldUpdate', 'moved'],
        ['delete', 'Person.delete'],
        ['deleteAll', 'Person.deleteAll'],
        ['checkpoint', 'Person.checkpoint'],
        ['expire', 'Person.expire'],
      ],
    );
  });

  test('is frozen throughout', () => {
    const seen = new Set<unknown>();
    const check = (value: unknown): void => {
      if (typeof value !== 'object' || value === null || seen.has(value)) return;
      seen.add(value);
      assert.ok(Object.isFrozen(value));
      for (const part of Object.values(value)) check(part);
    };
    check(Person);
    assert.ok(seen.size > 20);
  });

  test('does not follow later changes of what it was made from', () => {
    const changing = { ...fields };
    const key = ['id', 'name'] as ['id', 'name'];
    const Changing = defineClass('Changing', { key, fields: changing });
    delete (changing as Record<string, unknown>).photo;
    key.pop();
    assert.deepEqual(Object.keys(Changing.fields), Object.keys(fields));
    assert.deepEqual(Changing.key, ['id', 'name']);
  });
});

describe('a class is refused by the name of the argument for', () => {
  test('names that are no identifiers, or reserved', () => {
    for (const name of [
      '',
      'a b',
      '1a',
      'a.b',
      'a-b',
      7,
      undefined,
      '__proto__',
      'constructor',
      'prototype',
    ]) {
      refused(() => define(name, { key: 'id', fields }), 'name', /^name: /);
    }
    const reserved = Object.fromEntries([['__proto__', field.uint8()]]);
    refused(() => field.struct(reserved), 'fields.__proto__', /reserved/);
    refused(withFields({ fields: { '0': field.uint8() } }), 'fields.0', /identifier/);
    refused(withFields({ indexes: { 'by id': index('id') } }), 'indexes.by id', /identifier/);
    assert.equal(defineClass('Größe', { key: 'größe', fields: { größe: field.int8() } }).key, 'größe');
  });

  test('definitions that are none, or say more than they can', () => {
    for (const definition of [undefined, null, 1, []])
      refused(() => define('A', definition), 'definition', /object/);
    refused(withFields({ index: {} }), 'definition', /no property "index"/);
  });

  test('fields that are none', () => {
    refused(withFields({ fields: {} }), 'fields', /empty/);
    refused(withFields({ fields: undefined }), 'fields', /undefined/);
    for (const wrong of ['uint8', field.uint8, { kind: 'uint8' }, undefined]) {
      refused(withFields({ fields: { id: wrong } }), 'fields.id', /made by field/);
    }
    refused(
      withFields({ fields: { id: field.autoid(), other: field.autoid() } }),
      'fields.other',
      /id and other/,
    );
  });

  test('keys of no, unknown, repeated, absent and unordered fields', () => {
    refused(withFields({ key: undefined }), 'key', /undefined/);
    refused(withFields({ key: [] }), 'key', /names no field/);
    refused(withFields({ key: 'ident' }), 'key', /no field "ident"/);
    refused(withFields({ key: 'toString' }), 'key', /no field "toString"/);
    refused(withFields({ key: [['id']] }), 'key', /no field/);
    refused(withFields({ key: ['id', 'id'] }), 'key', /id twice/);
    refused(withFields({ key: 'mail' }), 'key', /optional/);
    for (const key of ['tags', 'photo', 'home']) refused(withFields({ key }), 'key', /no order/);
  });

  test('indexes of unknown, repeated and unordered fields, and what is no index', () => {
    const by = (wrong: unknown) => withFields({ indexes: { by: wrong } });
    refused(by('id'), 'indexes.by', /made by index/);
    refused(by(index('ident')), 'indexes.by', /no field "ident"/);
    refused(by(index('id', desc('id'))), 'indexes.by', /id twice/);
    for (const unordered of ['tags', 'photo', 'home']) {
      refused(by(uniqueIndex(unordered)), 'indexes.by', /no order/);
    }
    refused(by((index as () => unknown)()), 'indexes.by', /no field/);
    refused(withFields({ indexes: 7 }), 'indexes', /object/);
    for (const name of [undefined, null, 7, Symbol('id')])
      refused(by(index(name as unknown as 'id')), 'indexes.by', /no field/);
    refused(() => index(['id'] as unknown as 'id'), 'fields', /asc or desc/);
    refused(() => hashIndex(desc('a') as unknown as 'a'), 'fields', /no order/);
  });

  test('more fields, deeper ones or longer names than a declaration of a few lines should be able to ask for', () => {
    let doubled = field.struct({ a: field.uint8() }) as StructField;
    let deep = field.vector(field.uint8()) as VectorField;
    for (let i = 0; i < 12; i += 1) doubled = field.struct({ a: doubled, b: doubled });
    for (let i = 0; i < 60; i += 1) deep = field.vector(deep);
    refused(() => field.struct({ a: doubled, b: doubled, c: doubled }), 'fields', /more than 10000 fields/);
    refused(
      withFields({ fields: { a: doubled, b: doubled, c: doubled } }),
      'fields',
      /more than 10000 fields/,
    );
    refused(() => field.vector(field.vector(field.vector(field.vector(deep)))), 'of', /more than 64 deep/);
    const name = 'x'.repeat(256);
    refused(() => define(name, { key: 'id', fields }), 'name', /at most 255 characters/);
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, field.uint8()]));
    refused(() => define('A', { key: Object.keys(many), fields: many }), 'key', /more than 64 fields/);
  });

  test('events of unknown fields and vectors, declared twice, or with names that cannot be', () => {
    const events = (...given: unknown[]) => withFields({ events: given });
    refused(withFields({ events: onNew() }), 'events', /array/);
    refused(events(onNew), 'events[0]', /made by onNew\(\)/);
    refused(events(onNew(), onFieldUpdate('nothing')), 'events[1]', /no field "nothing"/);
    refused(events(onFieldUpdate(['id'] as unknown as 'id')), 'events[0]', /no field an array/);
    refused(events(onFieldUpdate('tags')), 'events[0]', /vector/);
    refused(events(onNew('__proto__')), 'events[0]', /reserved/);
    refused(events(onNew('a'), onNew('b')), 'events[1]', /kind new is declared twice/);
    refused(events(onFieldUpdate('id'), onFieldUpdate('id', 'b')), 'events[1]', /update of id is declared/);
    refused(events(onNew('a'), onDelete('a')), 'events[1]', /name a is declared twice/);
    for (const name of ['', 'a b', 'a.', '.', 7])
      refused(events(onNew(name as 'a')), 'events[0]', /identifiers/);
  });

  test('a Time-To-Live that is none', () => {
    const ttl = (given: unknown) => withFields({ ttl: given });
    refused(ttl(60), 'ttl', /object/);
    refused(ttl({}), 'ttl', /age, a count or both/);
    refused(ttl({ renewOnUpdate: true }), 'ttl', /age, a count or both/);
    refused(ttl({ ages: 1 }), 'ttl', /"ages"/);
    for (const age of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1', 1n])
      refused(ttl({ age }), 'ttl.age', /seconds/);
    for (const count of [0, -1, 0.5, 2 ** 53, '1', 1n]) refused(ttl({ count }), 'ttl.count', /integer/);
    refused(ttl({ age: 1, renewOnUpdate: 1 }), 'ttl.renewOnUpdate', /boolean/);
  });
});

describe('a field is refused for', () => {
  test('lengths that are none', () => {
    for (const maxLength of [0, -1, 0.5, '8', Number.NaN]) {
      refused(() => field.string({ maxLength: maxLength as number }), 'maxLength', /integer, 1 or more/);
      refused(() => field.bytes({ maxLength: maxLength as number }), 'maxLength', /integer, 1 or more/);
      refused(
        () => field.vector(field.uint8(), { length: maxLength as number }),
        'length',
        /integer, 1 or more/,
      );
    }
    refused(() => field.string({ length: 1 } as object), 'options', /no property "length"/);
  });

  test('enumerations of nothing, of other than strings, and of one string twice', () => {
    const enumeration = field.enumeration as (...values: unknown[]) => unknown;
    refused(() => enumeration(), 'values', /at least one/);
    refused(() => enumeration('a', 1), 'values', /strings, not 1/);
    refused(() => enumeration('a', 'b', 'a'), 'values', /"a" is given twice/);
    refused(() => enumeration('a', '\ud800'), 'values', /lone surrogate/);
    const many = Array.from({ length: 65_537 }, (_, i) => `${i}`);
    refused(() => enumeration(...many), 'values', /at most 65536, not 65537/);
    assert.equal(field.enumeration(...(many.slice(1) as [string])).values.length, 65_536);
  });

  test('elements that may be absent, or are no types', () => {
    const vector = field.vector as (of: unknown) => unknown;
    const optional = field.optional as (of: unknown) => unknown;
    for (const wrap of [vector, optional]) {
      refused(() => wrap(undefined), 'of', /made by field/);
      refused(() => wrap({ kind: 'uint8' }), 'of', /made by field/);
      refused(() => wrap(optional(field.uint8())), 'of', /optional/);
      refused(() => wrap(field.autoid()), 'of', /autoid/);
    }
  });

  test('structs of nothing, and with an automatic id', () => {
    const struct = field.struct as (fields: unknown) => unknown;
    refused(() => struct({}), 'fields', /empty/);
    refused(() => struct({ id: field.autoid() }), 'fields.id', /only a class/);
  });
});
