import {
  type ClassDefinition,
  connect,
  type DeleteEvent,
  defineClass,
  type EventOf,
  field,
  index,
  type KindOf,
  onDelete,
  onFieldUpdate,
  onNew,
  onUpdate,
  type Records,
} from '../../lib/index.ts';
import { is } from './same.mts';

const Order = defineClass('Order', {
  key: 'id',
  fields: {
    id: field.uint32(),
    state: field.enumeration('open', 'paid'),
    note: field.optional(field.string()),
  },
  indexes: { byState: index('state') },
  events: [onNew('orderNew'), onUpdate(), onFieldUpdate('state'), onDelete()],
});
const Line = defineClass('Line', {
  key: ['order', 'position'],
  fields: { order: field.uint32(), position: field.uint32(), price: field.float64() },
  events: [onNew()],
});
const Silent = defineClass('Silent', { key: 'id', fields: { id: field.uint32() } });

/** Scenario 52: what a class does not declare, or an event does not have, does not compile. */
export async function events(): Promise<void> {
  await using db = await connect('embedded:', { classes: [Order, Line, Silent] });
  is<'new' | 'update' | 'delete' | 'fieldUpdate:state'>()({} as KindOf<typeof Order>, true);

  await db.events.on(Order, ['new', 'fieldUpdate:state'], (event) => {
    switch (event.kind) {
      case 'new':
        is<'open' | 'paid'>()(event.after.state, true);
        is<undefined>()(event.before, true);
        break;
      case 'fieldUpdate':
        is<'state'>()(event.field, true);
        is<'open' | 'paid'>()(event.before, true);
        break;
      default:
        is<never>()(event, true);
    }
  });
  await db.events.on([Order, Line], 'new', (event) => {
    if (event.class === 'Line') is<readonly [number, number]>()(event.key, true);
    else is<number>()(event.key, true);
  });
  for await (const event of db.events.feed(Order, { kinds: ['delete'] })) {
    is<DeleteEvent<typeof Order>>()(event, true);
    // @ts-expect-error there is nothing after a delete
    event.after.state;
  }
  for await (const event of db.events.feed(Line, { overflow: 'dropOldest' })) {
    // @ts-expect-error it may be a gap, which has no key
    event.key;
    if (event.kind === 'gap') is<number | undefined>()(event.dropped, true);
  }
  for await (const event of db.events.feed(Line, { overflow: 'latest' })) is<number>()(event.coalesced, true);
  for await (const transaction of db.events.transactions([Order, Line])) {
    is<bigint>()(transaction.seq, true);
    for await (const event of transaction.events) is<'Order' | 'Line'>()(event.class, true);
  }
  const waited = await db.events.wait('orderNew', { timeout: 1 });
  if (waited.status === 'event') is<EventOf<typeof Order, 'new'>>()(waited.event, true);
  const changed = await db.events.waitEvent('Order.state');
  if (changed.status === 'event') is<'open' | 'paid'>()(changed.event.after, true);
  const dynamic = await connect('embedded:', { classes: [Order, Line] as readonly ClassDefinition[] });
  const any = await dynamic.events.wait('orderNew');
  if (any.status === 'event' && any.event.kind === 'new') is<bigint>()(any.event.transaction.seq, true);
  const several = await db.events.on(Order, 'new', (event) => is<number>()(event.key, true), {
    concurrency: 8,
    overflow: 'latest',
  });
  is<number>()(several.stats.delivered, true);
  await db.events.durable('one', Order, () => {}, { concurrency: 1 });
  // @ts-expect-error what is acknowledged is everything up to a position
  await db.events.durable('several', Order, () => {}, { concurrency: 8 });
  // @ts-expect-error a number
  await db.events.on(Order, 'new', () => {}, { concurrency: '8' });
  // @ts-expect-error a feed is asked for one after the other
  db.events.feed(Order, { concurrency: 8 });
  await db.events.durable('billing', Order, async (event) => {
    is<boolean>()(event.redelivered, true);
    if (event.kind === 'snapshot') is<number>()(event.key, true);
    await db.transaction((tx) => event.ack(tx));
  });

  // @ts-expect-error the class declares no checkpoint
  await db.events.on(Order, ['checkpoint'], () => {});
  // @ts-expect-error it declares an update of another field
  db.events.feed(Order, { kinds: ['fieldUpdate:note'] });
  // @ts-expect-error no class has an event of this name
  await db.events.wait('orderGone');
  // @ts-expect-error it has no such field
  db.events.feed(Order, { fields: ['colour'] });
  // @ts-expect-error a class that the database was not opened with
  db.events.feed(defineClass('Other', { key: 'id', fields: { id: field.uint32() }, events: [onNew()] }));
}

export async function records(): Promise<void> {
  await using db = await connect('embedded:///tmp/x', { classes: [Order, Line], durability: 'none' });
  const orders = db.records(Order);
  is<Records<typeof Order>>()(orders, true);
  const order = await orders.insert({ id: 1, state: 'open' });
  is<string | undefined>()(order.note, true);
  await orders.update(1, { state: 'paid', note: undefined });
  is<number>()(await orders.deleteAll(), true);
  is<(typeof order)[]>()(await orders.find({ index: 'byState', equals: 'paid', limit: 1 }).all(), true);
  await db.records(Line).get([1, 2]);
  await db.transaction(async (tx) => {
    await tx.records(Line).insert({ order: 1, position: 1, price: 1 });
    await tx.upsert('plain', 1);
    await tx.checkpoint();
  });
  db.hooks.on(Order, 'delete', (change) => is<undefined>()(change.after, true));

  // @ts-expect-error a field is missing
  await orders.insert({ id: 1 });
  // @ts-expect-error not of the enumeration
  await orders.update(1, { state: 'lost' });
  // @ts-expect-error the key is a number
  await orders.get('1');
  // @ts-expect-error there is no such index
  orders.find({ index: 'byNote' });
  // @ts-expect-error the index is of an enumeration
  orders.find({ index: 'byState', equals: 7 });
  // @ts-expect-error a key of two fields
  await db.records(Line).get(1);
  // @ts-expect-error the database was not opened with it
  db.records(Silent);
  // @ts-expect-error options of another engine
  await connect('embedded:', { offlineQueue: true });
  // @ts-expect-error not a durability
  await connect('embedded:', { durability: 'some' });
}
