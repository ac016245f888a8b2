import fc from 'fast-check';
import {
  type ClassDefinition,
  defineClass,
  desc,
  type Field,
  field,
  hashIndex,
  type Index,
  index,
  type MemberField,
  onCheckpoint,
  onDelete,
  onDeleteAll,
  onExpire,
  onFieldUpdate,
  onNew,
  onUpdate,
  type PresentField,
  type TimeToLive,
  uniqueHashIndex,
  uniqueIndex,
} from '../../lib/index.ts';

const name = fc.stringMatching(/^[a-zA-Z_$][a-zA-Z0-9_]{0,6}$/).filter((text) => text !== '__proto__');
const length = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });

const scalar: fc.Arbitrary<PresentField> = fc.constantFrom(
  ...(['uint8', 'uint16', 'uint32', 'uint64', 'int8', 'int16', 'int32', 'int64'] as const).map((kind) =>
    field[kind](),
  ),
  field.float32(),
  field.float64(),
  field.boolean(),
  field.datetime(),
);
const ordered: fc.Arbitrary<PresentField> = fc.oneof(
  scalar,
  length.map((maxLength) => field.string({ maxLength })),
  fc
    .uniqueArray(fc.string({ unit: 'grapheme', maxLength: 5 }), { minLength: 1, maxLength: 4 })
    .map((values) => field.enumeration(...(values as [string, ...string[]]))),
);

const { present } = fc.letrec<{ present: PresentField; member: MemberField }>((tie) => ({
  present: fc.oneof(
    { depthSize: 'small' },
    ordered,
    length.map((maxLength) => field.bytes({ maxLength })),
    fc.tuple(tie('present'), length).map(([of, length]) => field.vector(of, { length })),
    fc
      .dictionary(name, tie('member'), { minKeys: 1, maxKeys: 4, noNullPrototype: true })
      .map((members) => field.struct(members)),
  ),
  member: fc.oneof(
    tie('present'),
    tie('present').map((of) => field.optional(of)),
  ),
}));

const member = fc.oneof(
  present,
  present.map((of) => field.optional(of)),
);

const ttl: fc.Arbitrary<TimeToLive | undefined> = fc.constantFrom(
  undefined,
  { age: 0.25 },
  { count: 3 },
  { age: 60, count: 1, renewOnUpdate: true },
);

type Loose = { key: string; fields: Record<string, Field>; [rest: string]: unknown };
const define = defineClass as unknown as (name: string, definition: Loose) => ClassDefinition;

/** Any class: a key of one field or two, and whatever indexes, events and Time-To-Live its fields allow. */
export const anyClass: fc.Arbitrary<ClassDefinition> = fc
  .record({
    name,
    key: fc.uniqueArray(fc.tuple(name, ordered), {
      minLength: 1,
      maxLength: 2,
      selector: ([name]) => name,
    }),
    fields: fc.dictionary(name, member, { maxKeys: 5, noNullPrototype: true }),
    autoid: fc.boolean(),
    makers: fc.dictionary(name, fc.nat(3), { maxKeys: 3, noNullPrototype: true }),
    events: fc.subarray([
      onNew(),
      onUpdate('changed.any'),
      onDelete(),
      onDeleteAll(),
      onCheckpoint(),
      onExpire(),
    ]),
    updated: fc.boolean(),
    ttl,
  })
  .map(({ name, key, fields, autoid, makers, events, updated, ttl }) => {
    const names = key.map(([name]) => name);
    const [first = '', second = first] = names;
    const make = [
      () => index(first),
      () => uniqueIndex(desc(first)),
      () => hashIndex(first),
      () => (second === first ? uniqueHashIndex(first) : uniqueHashIndex(second, first)),
    ];
    const indexes: Record<string, Index | undefined> = {};
    for (const [name, maker] of Object.entries(makers)) indexes[name] = make[maker]?.();
    return define(name, {
      key: first,
      ...(names.length > 1 && { key: names as unknown as string }),
      fields: {
        ...fields,
        ...Object.fromEntries(key),
        ...(autoid && { ünique: field.autoid() }),
      },
      indexes,
      events: updated ? [...events, onFieldUpdate(first, 'changed.one')] : events,
      ttl,
    });
  });
