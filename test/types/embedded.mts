import {
  type Bound,
  connect,
  type Database,
  defineClass,
  desc,
  field,
  hashIndex,
  type IndexNames,
  type IndexProgress,
  index,
  type PreparedTransaction,
  type Query,
  type RecordOf,
  type Records,
  type Transaction,
  uniqueIndex,
  type VersionedRecord,
} from '../../lib/index.ts';
import { is } from './same.mts';

const User = defineClass('User', {
  key: 'id',
  fields: {
    id: field.uint32(),
    name: field.string(),
    mail: field.optional(field.string()),
    born: field.datetime(),
    tags: field.vector(field.string()),
  },
  indexes: { byName: index('name', desc('born')), byMail: uniqueIndex('mail'), fast: hashIndex('born') },
});
const Job = defineClass('Job', {
  key: ['queue', 'id'],
  fields: { queue: field.string(), id: field.autoid(), due: field.datetime() },
});
const Other = defineClass('Other', { key: 'id', fields: { id: field.uint8() } });

type UserRecord = RecordOf<typeof User>;

/** What connect() opens is typed by its classes. */
export async function opening(): Promise<void> {
  const db = await connect('embedded:///data', {
    classes: [User, Job],
    durability: 'none',
    retention: { maxAge: 60 },
    clock: () => 0,
    onProgress: (progress) => is<IndexProgress>()(progress, true),
  });
  is<Database<readonly [typeof User, typeof Job]>>()(db, true);
  is<Records<typeof User>>()(db.records(User), true);
  // @ts-expect-error not one of its classes
  db.records(Other);
  const plain = await connect('embedded:');
  // @ts-expect-error it was opened without classes
  plain.records(User);
  // @ts-expect-error no such durability
  await connect('embedded:', { durability: 'always' });
  // @ts-expect-error classes are made by defineClass()
  await connect('embedded:', { classes: [{ name: 'User' }] });
  // @ts-expect-error an option of memcached
  await connect('embedded:', { maxInFlight: 1 });
  // @ts-expect-error an option of the embedded engine
  await connect('memcached://h', { classes: [User] });
}

/** Records, keys and changes are those of the class. */
export async function records(users: Records<typeof User>, jobs: Records<typeof Job>): Promise<void> {
  is<UserRecord | undefined>()(await users.get(1), true);
  is<VersionedRecord<typeof User> | undefined>()(await users.getRecord(1), true);
  is<bigint | undefined>()((await users.getRecord(1))?.cas, true);
  is<Date | undefined>()((await users.getRecord(1))?.expiresAt, true);
  is<boolean>()(await users.exists(1), true);
  is<boolean>()(await users.remove(1, { cas: 1n, timeout: 5 }), true);
  is<number>()(await users.deleteAll(), true);
  is<UserRecord>()(await users.insert({ id: 1, name: 'a', born: new Date(), tags: [] }, { ttl: 5 }), true);
  is<UserRecord>()(await users.update(1, { mail: undefined, tags: ['a'] }, { cas: 1n }), true);
  is<bigint>()((await jobs.insert({ queue: 'q', due: new Date() })).id, true);
  await jobs.get(['q', 1n]);
  // @ts-expect-error the key is a number
  await users.get('1');
  // @ts-expect-error the key has two fields
  await jobs.get('q');
  // @ts-expect-error in their order
  await jobs.get([1n, 'q']);
  // @ts-expect-error a field is missing
  await users.insert({ id: 1, name: 'a', tags: [] });
  // @ts-expect-error no such field
  await users.insert({ id: 1, name: 'a', born: new Date(), tags: [], more: 1 });
  // @ts-expect-error upsert says which record is meant
  await jobs.upsert({ queue: 'q', due: new Date() });
  // @ts-expect-error not a string
  await users.update(1, { name: 5 });
  // @ts-expect-error no such field
  await users.update(1, { nam: 'a' });
  // @ts-expect-error what is new has no version yet
  await users.insert({ id: 1, name: 'a', born: new Date(), tags: [] }, { cas: 1n });
  // @ts-expect-error a moment is a Date
  await users.insert({ id: 1, name: 'a', born: new Date(), tags: [] }, { expiresAt: 5 });
}

/** Names of indexes and their bounds are checked. */
export async function finding(users: Records<typeof User>, jobs: Records<typeof Job>): Promise<void> {
  is<'byName' | 'byMail' | 'fast'>()('fast' as IndexNames<typeof User>, true);
  is<Query<UserRecord>>()(users.find(), true);
  is<UserRecord[]>()(await users.find({ from: 1, before: 9, reverse: true, limit: 3 }).all(), true);
  is<UserRecord | undefined>()(await users.find({ index: 'byName', equals: 'a' }).first(), true);
  is<number>()(await users.find({ index: 'byName', from: ['a', new Date()], to: 'b' }).count(), true);
  for await (const user of users.find({ index: 'byMail', after: [undefined] })) is<UserRecord>()(user, true);
  users.find({ index: 'fast', equals: new Date() });
  jobs.find({ equals: 'q', reverse: true });
  jobs.find({ after: ['q', 5n] });
  const bound: Bound<typeof User, 'byName'> = ['a'];
  users.find({ index: 'byName', equals: bound });
  // @ts-expect-error no such index
  users.find({ index: 'byAge' });
  // @ts-expect-error the class has no index
  jobs.find({ index: 'byName' });
  // @ts-expect-error the key is a number
  users.find({ from: 'a' });
  // @ts-expect-error neither of its fields is a number
  users.find({ index: 'byName', equals: 5 });
  // @ts-expect-error nor are both
  users.find({ index: 'byName', equals: ['a', 5] });
  // @ts-expect-error a misspelt bound
  users.find({ equal: 5 });
  // @ts-expect-error a limit is a number
  users.find({ limit: '5' });
  // @ts-expect-error what is found is no array
  users.find().map(() => 1);
}

/** A transaction has what the database has, and resolves to what its function does. */
export async function transactions(db: Database<readonly [typeof User]>): Promise<void> {
  is<number>()(await db.transaction(() => 1), true);
  is<UserRecord | undefined>()(await db.transaction((tx) => tx.records(User).get(1), { retries: 3 }), true);
  is<string>()(
    await db.transaction(
      async (tx) => {
        is<Transaction>()(tx, true);
        is<bigint | undefined>()(await tx.increment('k'), true);
        await tx.checkpoint();
        return 'done';
      },
      { timeout: 5, origin: 'me', meta: { any: 1 } },
    ),
    true,
  );
  const prepared = await db.prepare((tx) => tx.records(User).get(1), {
    timeout: 5,
    retries: 3,
    origin: 'me',
  });
  is<PreparedTransaction<UserRecord | undefined>>()(prepared, true);
  is<UserRecord | undefined>()(prepared.result, true);
  is<void>()(await prepared.commit(), true);
  await using _left = await db.prepare(() => 1);
  // @ts-expect-error what is prepared is no transaction any more
  prepared.records(User);
  // @ts-expect-error a misspelt option
  await db.prepare(() => 1, { time: 3 });
  // @ts-expect-error they do not nest
  await db.transaction((tx) => tx.transaction(() => 1));
  // @ts-expect-error a number of times
  await db.transaction(() => 1, { retries: '3' });
  // @ts-expect-error a misspelt option
  await db.transaction(() => 1, { retry: 3 });
}
