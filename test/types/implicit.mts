import {
  type ClassDefinition,
  connect,
  type Database,
  type DeleteEvent,
  defineClass,
  type EventOf,
  field,
  type KindOf,
  type NewEvent,
  onNew,
  type StandardKind,
} from '../../lib/index.ts';
import { is } from './same.mts';

const Silent = defineClass('Silent', {
  key: 'id',
  fields: { id: field.uint32(), name: field.string(), tags: field.vector(field.string()) },
});
const Order = defineClass('Order', {
  key: 'id',
  fields: { id: field.uint32(), state: field.enumeration('open', 'paid') },
  events: [onNew('orderNew')],
});

type Whole = 'new' | 'update' | 'delete' | 'deleteAll' | 'checkpoint' | 'expire';

/** Scenario 37: where events are implicit, the kinds are all there are; elsewhere what is not declared does not compile. */
export async function implicit(): Promise<void> {
  await using db = await connect('embedded:', { classes: [Silent, Order], events: 'implicit' });
  is<Database<readonly [typeof Silent, typeof Order], 'implicit'>>()(db, true);
  is<Whole | 'fieldUpdate:id' | 'fieldUpdate:name'>()({} as KindOf<typeof Silent, 'implicit'>, true);
  is<never>()({} as KindOf<typeof Silent>, true);
  is<Whole>()({} as StandardKind<typeof Silent, 'implicit'>, true);
  is<'new'>()({} as StandardKind<typeof Order, 'implicit'>, true);
  is<'new'>()({} as StandardKind<typeof Order>, true);

  await db.events.on(Silent, ['delete', 'fieldUpdate:name'], (event) => {
    if (event.kind === 'fieldUpdate') is<string>()(event.after, true);
    else is<DeleteEvent<typeof Silent>>()(event, true);
  });
  await db.events.on([Silent, Order], 'new', (event) => {
    is<NewEvent<typeof Silent> | NewEvent<typeof Order>>()(event, true);
  });
  for await (const event of db.events.feed(Silent))
    is<EventOf<typeof Silent, Whole, 'implicit'>>()(event, true);
  for await (const event of db.events.feed(Order)) is<NewEvent<typeof Order>>()(event, true);
  for await (const { events } of db.events.transactions(Order, { kinds: ['checkpoint'] }))
    for await (const event of events) is<number>()(event.times, true);
  await db.events.durable('billing', Order, (event) => is<boolean>()(event.redelivered, true), {
    kinds: ['delete', 'fieldUpdate:state'],
  });
  is<boolean>()(db.events.implicit, true);
  const waited = await db.events.wait('orderNew');
  if (waited.status === 'event') is<NewEvent<typeof Order>>()(waited.event, true);

  // @ts-expect-error a vector has no update event of its own
  db.events.feed(Silent, { kinds: ['fieldUpdate:tags'] });
  // @ts-expect-error it is waited for what has a name, and names are declared
  await db.events.wait('Silent.new');
  // @ts-expect-error a class that the database was not opened with
  db.events.feed(defineClass('Other', { key: 'id', fields: { id: field.uint32() } }));

  // Where it is not of importance, it need not be said.
  const plain: Database<readonly [typeof Silent, typeof Order]> = db;
  is<'Silent' | 'Order'>()(plain.classes[0].name as 'Silent' | 'Order', true);

  const declared = await connect('embedded:', { classes: [Silent, Order] });
  // @ts-expect-error the class declares nothing
  declared.events.feed(Silent, { kinds: ['new'] });
  // @ts-expect-error it does not declare this
  await declared.events.on(Order, ['delete'], () => {});
  // @ts-expect-error there is no such option
  await connect('embedded:', { events: 'explicit' });
  // @ts-expect-error an option of the embedded engine
  await connect('memcached://h', { events: 'implicit' });
  const given: { readonly classes: readonly ClassDefinition[]; readonly events?: 'implicit' } = {
    classes: [],
  };
  await connect('embedded:', given);
}
