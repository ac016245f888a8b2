import {
  type ClassDefinition,
  defineClass,
  desc,
  type EventNames,
  field,
  hashIndex,
  type InsertOf,
  index,
  type KeyOf,
  onDelete,
  onDeleteAll,
  onFieldUpdate,
  onNew,
  onUpdate,
  type RecordOf,
  type UpdatedFields,
  uniqueIndex,
} from '../../lib/index.ts';
import { is, type Same } from './same.mts';

const address = field.struct({ street: field.string(), door: field.optional(field.uint16()) });

const Order = defineClass('Order', {
  key: 'id',
  fields: {
    id: field.uint32(),
    serial: field.autoid(),
    state: field.enumeration('new', 'paid', 'sent'),
    mail: field.optional(field.string({ maxLength: 80 })),
    total: field.int64(),
    weight: field.float64(),
    urgent: field.boolean(),
    placed: field.datetime(),
    scan: field.bytes(),
    tags: field.vector(field.string()),
    to: address,
    lines: field.vector(field.struct({ sku: field.string(), price: field.float32() })),
  },
  indexes: {
    byState: index('state', desc('placed')),
    byMail: uniqueIndex('mail'),
    bySerial: hashIndex('serial'),
  },
  events: [
    onNew(),
    onUpdate('orderChanged'),
    onFieldUpdate('state'),
    onFieldUpdate('to', 'moved'),
    onDelete(),
  ],
  ttl: { age: 3600, count: 10_000, renewOnUpdate: true },
});

interface Address {
  street: string;
  door?: number | undefined;
}

interface OrderRecord {
  id: number;
  serial: bigint;
  state: 'new' | 'paid' | 'sent';
  mail?: string | undefined;
  total: bigint;
  weight: number;
  urgent: boolean;
  placed: Date;
  scan: Uint8Array;
  tags: readonly string[];
  to: Address;
  lines: readonly { sku: string; price: number }[];
}

/** Everything is inferred: the record, what insert takes, the key, the events. */
export function inferred(order: RecordOf<typeof Order>, insert: InsertOf<typeof Order>): void {
  is<OrderRecord>()(order, true);
  is<bigint | undefined>()(insert.serial, true);
  const withoutSerial: InsertOf<typeof Order> = { ...order, serial: undefined };
  is<OrderRecord['lines']>()(withoutSerial.lines, true);
  const key: KeyOf<typeof Order> = 7;
  is<number>()(key, true);
  is<'Order'>()(Order.name, true);
  is<'id'>()(Order.key, true);
  const name = '' as EventNames<typeof Order>;
  is<'Order.new' | 'orderChanged' | 'Order.state' | 'moved' | 'Order.delete'>()(name, true);
  is<'state' | 'to'>()('state' as UpdatedFields<typeof Order>, true);
  // @ts-expect-error a property is missing
  order = { id: 1 };
  // @ts-expect-error not one of the enumeration
  order.state = 'lost';
  // @ts-expect-error 64 bits are a bigint
  order.total = 1;
  // @ts-expect-error vectors are replaced, not changed
  order.tags.push('a');
  // @ts-expect-error definitions are read only
  Order.name = 'Other';
}

const Reading = defineClass('Reading', {
  key: ['sensor', 'at'],
  fields: { sensor: field.string(), at: field.datetime(), value: field.float64() },
});

/** Without events there are no names. */
export const unnamed: Same<EventNames<typeof Reading>, never> = true;

/** A key of several fields is a tuple. */
export function composed(key: KeyOf<typeof Reading>): void {
  is<readonly [string, Date]>()(key, true);
  const any: ClassDefinition = Reading;
  const others: readonly ClassDefinition[] = [any, Order];
  is<number>()(others.length, true);
}

const fields = {
  id: field.uint32(),
  note: field.optional(field.string()),
  data: field.bytes(),
  tags: field.vector(field.uint8()),
  maybe: field.optional(field.vector(field.uint8())),
  to: address,
};

/** Names that are not fields, or not of the right kind, do not compile. */
export function wrongNames(): void {
  defineClass('A', {
    key: 'id',
    fields,
    indexes: { byNote: index('note') },
    events: [onFieldUpdate('data')],
  });
  // @ts-expect-error no such field
  defineClass('A', { key: 'ident', fields });
  // @ts-expect-error no such field
  defineClass('A', { key: ['id', 'ident'], fields });
  // @ts-expect-error a key has at least one field
  defineClass('A', { key: [], fields });
  // @ts-expect-error a key is never absent
  defineClass('A', { key: 'note', fields });
  // @ts-expect-error bytes have no order
  defineClass('A', { key: 'data', fields });
  // @ts-expect-error no such field
  defineClass('A', { key: 'id', fields, indexes: { by: index('nothing') } });
  // @ts-expect-error no such field
  defineClass('A', { key: 'id', fields, indexes: { by: uniqueIndex('id', desc('nothing')) } });
  // @ts-expect-error vectors have no order
  defineClass('A', { key: 'id', fields, indexes: { by: index('tags') } });
  // @ts-expect-error nor have structs
  defineClass('A', { key: 'id', fields, indexes: { by: hashIndex('to') } });
  // @ts-expect-error no such field
  defineClass('A', { key: 'id', fields, events: [onFieldUpdate('nothing')] });
  // @ts-expect-error updates of vectors are no events
  defineClass('A', { key: 'id', fields, events: [onFieldUpdate('tags')] });
  // @ts-expect-error nor where the vector is optional
  defineClass('A', { key: 'id', fields, events: [onNew(), onFieldUpdate('maybe')] });
  // @ts-expect-error a class has a key
  defineClass('A', { fields });
  // @ts-expect-error a misspelt property
  defineClass('A', { key: 'id', fields, index: {} });
  // @ts-expect-error a misspelt property
  defineClass('A', { key: 'id', fields, ttl: { ages: 1 } });
  // @ts-expect-error the declarator is to be called
  defineClass('A', { key: 'id', fields, events: [onDeleteAll] });
}

/** Types of fields go together only where that means something. */
export function wrongFields(): void {
  // @ts-expect-error an enumeration has values
  field.enumeration();
  // @ts-expect-error which are strings
  field.enumeration(1);
  // @ts-expect-error elements of a vector are there
  field.vector(field.optional(field.uint8()));
  // @ts-expect-error optional once is enough
  field.optional(field.optional(field.uint8()));
  // @ts-expect-error what is assigned is there
  field.optional(field.autoid());
  // @ts-expect-error a struct has no automatic id
  field.struct({ id: field.autoid() });
  // @ts-expect-error a type is made by a call
  field.vector(field.uint8);
  // @ts-expect-error integers have no length
  field.uint8({ maxLength: 1 });
  // @ts-expect-error a hash has no order
  hashIndex(desc('a'));
  // @ts-expect-error an index has fields
  index();
}
