// Compiled once more by test/unit/users-types.test.mts, as a user with `exactOptionalPropertyTypes` compiles it.
import {
  connect,
  type Database,
  defineClass,
  EventBase,
  field,
  index,
  onFieldUpdate,
  onNew,
  onUpdate,
  parseDdl,
  type Transactions,
} from 'evenkeel';
import { startServer } from 'evenkeel/testing';

const Item = defineClass('Item', {
  key: 'id',
  fields: { id: field.autoid(), name: field.string(), at: field.optional(field.datetime()) },
  indexes: { byName: index('name') },
  events: [onNew(), onUpdate('renamed'), onFieldUpdate('name')],
});
const Other = defineClass('Other', { key: 'id', fields: { id: field.uint32() } });

/** What takes any database is written with `Database`, whatever its classes and events. */
export async function anyDatabase(): Promise<void> {
  const store = (db: Database): Promise<unknown> => db.get('k');
  const close = async (db: Database): Promise<void> => {
    await db.version();
    await db.close();
  };
  const plain = (db: Transactions): Promise<unknown> => db.get('k');
  for (const db of [
    await connect('embedded:'),
    await connect('embedded:', { classes: [] }),
    await connect('embedded:', { classes: [Item] }),
    await connect('embedded:', { classes: [Item, Other] }),
    await connect('embedded:', { classes: [Item, Other], events: 'implicit' }),
    await connect('memcached://127.0.0.1'),
  ]) {
    await store(db);
    await plain(db);
    await close(db);
  }
  const typed = await connect('embedded:', { classes: [Item, Other] });
  await store(typed);
  const result = await typed.events.wait('renamed');
  if (result.status === 'event') {
    const { kind, after }: { kind: 'update'; after: { id: bigint; name: string } } = result.event;
    console.log(kind, after);
  }
  // @ts-expect-error no class has an event of this name
  await typed.events.wait('nothing');
}

/** A url that is known at run time only. */
export async function anyUrl(url: string): Promise<void> {
  const db = await connect(url, { classes: [Item], timeout: 500 });
  const item: { id: bigint; name: string } | undefined = await db.records(Item).get(1n);
  console.log(item);
  // @ts-expect-error it was opened without this class
  db.records(Other);
  const plain: Database = await connect(url);
  await plain.close();
  // @ts-expect-error a misspelt option
  await connect(url, { clases: [Item] });
}

/** Options may be passed on as they were given, or not given. */
export async function passingOn(
  number?: number,
  flag?: boolean,
  text?: string,
  signal?: AbortSignal,
): Promise<void> {
  const db = await connect('embedded:', {
    classes: [Item],
    timeout: number,
    durability: undefined,
    readOnly: flag,
    retention: { maxAge: number, maxBytes: undefined },
    clock: undefined,
    onProgress: undefined,
    eventBase: undefined,
  });
  await connect('memcached://h', {
    timeout: number,
    backoff: { min: number, max: number },
    lazy: flag,
    transcoder: undefined,
  });
  await db.get('k', { signal, timeout: number });
  await db.upsert('k', 1, { ttl: number, expiresAt: undefined, cas: undefined, signal });
  await db.increment('k', { delta: undefined, initial: undefined });
  await db.records(Item).insert({ name: 'a', at: undefined }, { ttl: number });
  db.records(Item).find({ limit: number, reverse: flag });
  await db.transaction(() => {}, { retries: number, origin: text, meta: undefined });
  await db.prepare(() => {}, { timeout: number, signal });
  await db.events.on(Item, ['new'], () => {}, {
    queue: number,
    onError: { retries: number, outcome: undefined },
  });
  db.events.feed(Item, { from: text, kinds: undefined, where: undefined, fields: undefined });
  await db.events.durable('d', Item, () => {}, { wait: number, migrate: flag, onError: { timeout: number } });
  await db.events.wait('Item.new', { timeout: number, signal });
  await db.close({ timeout: number });
  EventBase.create({ name: text }).watch(0, { readable: flag }, () => {});
  parseDdl('', { file: text });
  defineClass('A', {
    key: 'id',
    fields: { id: field.string({ maxLength: number }) },
    ttl: { age: 1, count: number },
  });
  const server = await startServer({ port: number, host: text, worker: flag, clock: undefined });
  await server.fault({ times: number, action: { kind: 'garbage', length: number } });
  await startServer({ credentials: { username: 'ada', password: 'secret' }, tls: { key: text, cert: text } });
  await server.restart({ keepData: flag, reset: undefined });
}
