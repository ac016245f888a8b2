import {
  type AllReplicas,
  type CollectionView,
  connect,
  type Database,
  EventBase,
  type LookupResult,
  type MutateInResult,
  type MutationResult,
  type RecordResult,
  type ReplicaRecord,
  type ScopeView,
  sub,
} from '../../lib/index.ts';
import { is } from './same.mts';

interface User {
  readonly name: string;
}

/** What lookups find, each with the type of its spec. */
export async function lookups(users: CollectionView): Promise<void> {
  const result = await users.lookupIn('k', [sub.get<string>('name'), sub.exists('mail'), sub.count('tags')]);
  is<LookupResult<[string | undefined, boolean, number | undefined]> | undefined>()(result, true);
  // @ts-expect-error there may be no document
  result.values;
  if (result === undefined) return;
  const [name, hasMail, count] = result.values;
  is<string | undefined>()(name, true);
  is<boolean>()(hasMail, true);
  is<number | undefined>()(count, true);
  is<boolean>()(result.at(1), true);
  is<bigint>()(result.cas, true);
  is<unknown>()((await users.lookupIn('k', [sub.get('name')]))?.at(0), true);
  const some = [sub.exists('a'), sub.exists('b')];
  is<boolean[] | undefined>()((await users.lookupIn('k', some))?.values, true);
  // @ts-expect-error a change is no lookup
  await users.lookupIn('k', [sub.remove('a')]);
  // @ts-expect-error a spec comes from `sub`
  await users.lookupIn('k', [{ path: 'a' }]);
  // @ts-expect-error no such option
  sub.get('a', { createPath: true });
}

/** What changes answer. */
export async function mutations(users: CollectionView): Promise<void> {
  const result = await users.mutateIn('k', [sub.upsert('a', 1), sub.increment('n', 2n)], {
    durability: 'majority',
    storeSemantics: 'upsert',
    ttl: 60,
  });
  is<MutateInResult<[undefined, bigint]>>()(result, true);
  is<bigint>()(result.values[1], true);
  is<bigint | undefined>()(result.token?.sequence, true);
  // @ts-expect-error a lookup is no change
  await users.mutateIn('k', [sub.get('a')]);
  // @ts-expect-error an array of elements
  sub.arrayAppend('tags', 'a');
  // @ts-expect-error the element of a set is no object
  sub.arrayAddUnique('tags', {});
  sub.upsert('x', sub.mutationCas, { xattr: true });
}

/** A bucket's own writes take what those of its collections do; other engines' do not. */
export async function buckets(): Promise<void> {
  await using db = await connect('couchbase://h1,h2/bucket', {
    username: 'u',
    password: 'p',
    network: 'external',
    mechanism: 'SCRAM-SHA512',
    pollInterval: 1000,
  });
  await db.upsert('k', 1, { durability: 'majority', preserveExpiry: true });
  await db.via(EventBase.host).remove('k', { durability: 'majority' });
  await connect('couchbases://h/bucket');
  // @ts-expect-error how keys are placed is the cluster's to say
  await connect('couchbase://h/bucket', { placement: 'ketama' });
  // @ts-expect-error a memcached server has one network
  await connect('memcached://h', { network: 'external' });
  // @ts-expect-error no such mechanism
  await connect('couchbase://h/bucket', { mechanism: 'DIGEST-MD5' });
}

/** A collection has the operations of a database, and more options. */
export async function collections(db: Database): Promise<void> {
  is<ScopeView>()(db.scope('s'), true);
  const users = db.scope('s').collection('users');
  is<CollectionView>()(users, true);
  is<CollectionView>()(db.collection('users'), true);
  is<User | undefined>()(await users.get<User>('k'), true);
  is<MutationResult>()(
    await users.upsert('k', 1, { durability: 'persistToMajority', preserveExpiry: true }),
    true,
  );
  is<boolean>()(await users.remove('k', { durability: 'majority', cas: 1n }), true);
  is<RecordResult<User> | undefined>()(await users.getAndLock<User>('k', 10), true);
  is<boolean>()(await users.unlock('k', 1n), true);
  is<ReplicaRecord<User> | undefined>()(await users.getAnyReplica<User>('k', { serverGroup: 'az1' }), true);
  is<AllReplicas<User>>()(await users.getAllReplicas<User>('k'), true);
  // @ts-expect-error no such level
  await users.upsert('k', 1, { durability: 'all' });
  // @ts-expect-error a new record has no expiry to keep
  await users.insert('k', 1, { preserveExpiry: true });
  // @ts-expect-error not every engine has durable writes
  await db.upsert('k', 1, { durability: 'majority' });
  // @ts-expect-error a lock has a time
  await users.getAndLock('k');
  const [name, changed] = await db.schedule(
    (ctx) =>
      [
        ctx.collection('users').get<User>('k'),
        ctx
          .scope('s')
          .collection('c')
          .mutateIn('k', [sub.increment('n')]),
      ] as const,
  );
  is<User | undefined>()(name, true);
  is<MutateInResult<[bigint]>>()(changed, true);
}
